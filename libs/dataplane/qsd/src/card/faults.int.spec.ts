import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { QsdCardDataPlane } from './qsd-card-data-plane.js';
import { desiredLeg, installedQemus, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const qemu = setupQemu();

for (const each of installedQemus()) {
  test(`${each.name}: a pool that dies during a copy into it leaves the guest on the old stack, without an error`, async () => {
    const site = await makeSite(each, { card: { copyStallMs: 500 } });
    const volume = new TestVolume(site, sizeBytes);
    const [old, next] = [
      await volume.addLeg('host', 'leg-000000000a'),
      await volume.addLeg('network', 'leg-000000000b'),
    ];
    await volume.perform(...volume.create(old));
    const bytes = Buffer.alloc(sizeBytes, 'pattern ');
    await site.guest.write(volume.volumeId, 0, bytes);
    await volume.perform(...volume.build(2, next));
    const copying = volume.perform(volume.copy(2, 2 * MIB)).catch((reason: unknown) => reason);
    await vi.waitFor(async () => expect((await volume.observe()).copy?.doneBytes).toBeGreaterThan(0), {
      timeout: 10_000,
    });
    await site.killLegServer(next.legId);
    await site.guest.write(volume.volumeId, 0, Buffer.alloc(MIB, 'pattern '));
    expect(await copying).toMatchObject({ problem: { code: 'step-failed' } });
    expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 1 }, copy: { state: 'failed' } });
    await site.card.undo(volume.volumeId, volume.copy(2, 2 * MIB), volume.context());
    await volume.perform(volume.retire(2, next));
    expect(await volume.observe()).toMatchObject({ copy: null, stacks: [{ stackGeneration: 1 }] });
    expect((await site.guest.read(volume.volumeId, 0, sizeBytes)).equals(bytes)).toBe(true);
  });

  test(`${each.name}: a remote leg is opened with its key only, and a refusal leaves nothing behind`, async () => {
    const site = await makeSite(each, { card: { openTimeoutSeconds: 1 } });
    const volume = new TestVolume(site, sizeBytes);
    const leg = await volume.addLeg('network', 'leg-000000000a');
    await volume.perform({ kind: 'start-data-plane' });
    const [open] = volume.build(1, leg);
    if (open === undefined) throw new Error('no step');
    const right = await site.secrets.legKey(leg.legId);
    const wrong = { identity: right?.identity ?? '', key: new Uint8Array(32).fill(7) };
    for (const access of [wrong, null]) {
      const secrets = { ...site.secrets, legKey: () => Promise.resolve(access) };
      await expect(site.card.perform(volume.volumeId, open, volume.context({ secrets }))).rejects.toMatchObject({
        problem: { code: 'step-failed' },
      });
      expect((await volume.observe()).stacks).toEqual([]);
    }
    await volume.perform(open);
    expect((await volume.observe()).stacks).toHaveLength(1);
  });
}

test('whoever held a leg before its epoch was raised is cut off and does not come back', async () => {
  const site = await makeSite(qemu, { card: { reconnectDelaySeconds: 1, openTimeoutSeconds: 1 } });
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('network', 'leg-000000000a');
  await volume.perform(...volume.create(leg));
  const oldAccess = await site.secrets.legKey(leg.legId);
  const context = { desired: desiredLeg(leg.legId, sizeBytes), signal: new AbortController().signal };
  await site.networkPool.perform({ kind: 'fence-leg', legId: leg.legId, fromEpoch: 1, epoch: 2 }, context);
  await site.networkPool.perform({ kind: 'serve-leg', legId: leg.legId, epoch: 2, holderCardId: 'card-2' }, context);
  await expect(site.guest.read(volume.volumeId, 0, 4096)).rejects.toThrow('error 5');
  const secrets = { ...site.secrets, legKey: () => Promise.resolve(oldAccess) };
  const again = { kind: 'open-leg', stackGeneration: 2, legId: leg.legId, epoch: 1, sizeBytes } as const;
  await expect(site.card.perform(volume.volumeId, again, volume.context({ secrets }))).rejects.toMatchObject({
    problem: { code: 'step-failed' },
  });
});

test('a pool whose daemon died serves again at the same address with the same key, and the guest only waits', async () => {
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('network', 'leg-000000000a');
  await volume.perform(...volume.create(leg));
  const bytes = Buffer.alloc(MIB, 'pattern ');
  await site.guest.write(volume.volumeId, 0, bytes);
  const before = await site.networkPool.served(leg.legId);
  await site.killLegServer(leg.legId);
  expect((await site.networkPool.observe(leg.legId))?.serving).toBeNull();
  const reading = site.guest.read(volume.volumeId, 0, MIB);
  const context = { desired: desiredLeg(leg.legId, sizeBytes), signal: new AbortController().signal };
  await site.networkPool.perform({ kind: 'serve-leg', legId: leg.legId, epoch: 1, holderCardId: 'card-1' }, context);
  expect(await site.networkPool.served(leg.legId)).toEqual(before);
  expect((await reading).equals(bytes)).toBe(true);
});

test('a leg whose bytes are gone from its pool is neither made anew nor served', async () => {
  const site = await makeSite(qemu);
  await site.makeLeg('host', 'leg-000000000a', sizeBytes);
  await rm(site.legFile('leg-000000000a'));
  const context = { desired: desiredLeg('leg-000000000a', sizeBytes), signal: new AbortController().signal };
  for (const step of [
    { kind: 'create-leg', legId: 'leg-000000000a', sizeBytes },
    { kind: 'serve-leg', legId: 'leg-000000000a', epoch: 1, holderCardId: 'card-1' },
  ] as const) {
    await expect(site.hostPool.perform(step, context)).rejects.toMatchObject({ problem: { code: 'needs-operator' } });
  }
  expect(await site.hostPool.observe('leg-000000000a')).toMatchObject({ sizeBytes, allocatedBytes: 0 });
});

test('a guest that is attached over vhost-user is not cut off: the removal waits for it', async () => {
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('host', 'leg-000000000a');
  await volume.perform(...volume.create(leg, 'virtio-blk'));
  const uri = (await volume.observe()).exports[0]?.uri ?? '';
  const attached = connect(uri.replace('vhost-user:', ''));
  await new Promise((resolve) => attached.once('connect', resolve));
  const unexport = { kind: 'unexport-volume', protocol: 'virtio-blk', functionId: 'fn-1' } as const;
  await expect(volume.perform(unexport)).rejects.toMatchObject({ retryable: true });
  expect((await volume.observe()).exports).toHaveLength(1);
  attached.destroy();
  await vi.waitFor(() => volume.perform(unexport), { timeout: 10_000 });
  expect((await volume.observe()).exports).toEqual([]);
});

test('a guest that is attached over vhost-user is cut off where the legs are fenced: nothing could be answered any more', async () => {
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('network', 'leg-000000000a');
  await volume.perform(...volume.create(leg, 'virtio-blk'));
  const attached = connect(((await volume.observe()).exports[0]?.uri ?? '').replace('vhost-user:', ''));
  await new Promise((resolve) => attached.once('connect', resolve));
  const closed = new Promise((resolve) => attached.once('close', resolve));
  await site.killLegServer(leg.legId);
  await volume.perform({ kind: 'stop-data-plane', evenIfAttached: true });
  await closed;
  expect((await volume.observe()).running).toBe(false);
  expect(await site.card.list()).toEqual([]);
});

test('a daemon that cannot be started says why, and may be tried again', async () => {
  const site = await makeSite(qemu);
  for (const qemuStorageDaemonPath of [join(site.directory, 'nothing-here'), '/bin/false']) {
    const card = new QsdCardDataPlane({ ...site.cardOptions, qemuStorageDaemonPath });
    const start = card.perform(
      'vol-0123456789',
      { kind: 'start-data-plane' },
      new TestVolume(site, sizeBytes).context(),
    );
    await expect(start).rejects.toMatchObject({ retryable: true, problem: { code: 'data-plane-failed' } });
    expect(await card.list()).toEqual([]);
  }
});

test('what a daemon wrote before it died is kept when its volume is built anew, until it ends in order', async () => {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('host', 'leg-000000000a');
  const log = join(site.cardOptions.runDirectory, volume.volumeId, 'log');
  await volume.perform(...volume.create(leg));
  await writeFile(log, 'malloc(): corrupted\n');
  for (let deaths = 0; deaths < 2; deaths++) {
    await site.killVolume(volume.volumeId);
    await volume.perform(...volume.create(leg));
    expect(await readFile(`${log}.before`, 'utf8')).toBe('malloc(): corrupted');
  }
  await site.killVolume(volume.volumeId, 'SIGTERM');
  await volume.perform({ kind: 'stop-data-plane' }, ...volume.create(leg));
  await expect(readFile(`${log}.before`)).rejects.toThrow('ENOENT');
});

test('a killed daemon is observed as not running, and its volume is built anew without a format', async () => {
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('host', 'leg-000000000a', true);
  await volume.perform(...volume.create(leg));
  await site.guest.write(volume.volumeId, MIB, Buffer.alloc(MIB, 'pattern '));
  process.kill((await site.daemonIn(site.cardOptions.runDirectory, volume.volumeId).pid()) ?? Number.NaN, 'SIGKILL');
  await vi.waitFor(async () => expect((await volume.observe()).running).toBe(false));
  const steps = volume.create(leg).filter((step) => step.kind !== 'format-encryption');
  await volume.perform(...steps);
  expect((await site.guest.read(volume.volumeId, MIB, MIB)).equals(Buffer.alloc(MIB, 'pattern '))).toBe(true);
});
