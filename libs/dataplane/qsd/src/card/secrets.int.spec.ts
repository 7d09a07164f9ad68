import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { passphraseOf } from '../luks/header.js';
import { installedQemus, setupQemu, testVolumeKey, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();

/** Every form that a secret could be written in. */
function formsOf(key: Uint8Array): Buffer[] {
  const bytes = Buffer.from(key);
  const base64 = passphraseOf(key);
  return [
    bytes,
    ...[bytes.toString('hex'), base64, Buffer.from(base64).toString('base64'), Buffer.from(base64).toString('hex')].map(
      (text) => Buffer.from(text),
    ),
  ];
}

async function filesBeneath(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function holders(files: readonly string[], forms: readonly Buffer[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    // A process may end between the listing and the look.
    const [read] = await Promise.allSettled([readFile(file)]);
    if (read.status === 'fulfilled' && forms.some((form) => read.value.includes(form))) found.push(file);
  }
  return found;
}

async function processFiles(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
}

async function legKeyOf(site: QsdSite, legId: string): Promise<Uint8Array> {
  const access = await site.secrets.legKey(legId);
  if (access === null) throw new Error(`${legId} has no key`);
  return access.key;
}

for (const qemu of installedQemus()) {
  test(`${qemu.name}: no key is on a command line, in an environment, a log or a file, but for the pool's own`, async () => {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, 16 * MIB);
    const leg = await volume.addLeg('network', 'leg-000000000a', true);
    await volume.perform(...volume.create(leg));
    await site.guest.write(volume.volumeId, 0, Buffer.alloc(MIB, 'pattern '));
    const files = [...(await filesBeneath(site.directory)), ...(await processFiles())];
    expect(files.some((file) => file.endsWith('/log'))).toBe(true);
    expect(await holders(files, formsOf(testVolumeKey()))).toEqual([]);
    const [keyFile, ...others] = await holders(files, formsOf(await legKeyOf(site, leg.legId)));
    expect(others).toEqual([]);
    expect(keyFile).toMatch(/net-pool\/keys\/leg-000000000a\/1\/keys\.psk$/);
    expect((await lstat(keyFile ?? '')).mode & 0o777).toBe(0o600);
    // What the guest wrote is not readable on its leg.
    expect(await holders([site.legFile(leg.legId)], [Buffer.from('pattern pattern ')])).toEqual([]);
  });
}

test('keys that an agent left behind when it died while it loaded them are gone once the next one has looked around', async () => {
  const site = await makeSite(setupQemu());
  const leftover = join(site.cardOptions.runDirectory, '.psk-vol-0000000001');
  await mkdir(site.cardOptions.runDirectory, { mode: 0o711 });
  await mkdir(leftover, { mode: 0o700 });
  await writeFile(join(leftover, 'keys.psk'), 'card-1.leg-0000000001.1:00\n', { mode: 0o600 });
  await site.card.discover();
  expect(await readdir(site.cardOptions.runDirectory)).toEqual([]);
});
