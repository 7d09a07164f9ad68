import { expect, test, vi } from 'vitest';
import { startVerifiedLoad } from '../testing/load.js';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 64 * MIB;

test('a volume is moved from its own pool to a remote one and on, and encrypted and back, beneath verified I/O', async () => {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, sizeBytes);
  const legs = [
    await volume.addLeg('host', 'leg-000000000a'),
    await volume.addLeg('network', 'leg-000000000b'),
    await volume.addLeg('network', 'leg-000000000c'),
    await volume.addLeg('network', 'leg-000000000d', true),
    await volume.addLeg('host', 'leg-000000000e'),
  ] as const;
  const qos = { iopsTotal: 20_000 };
  await volume.perform(...volume.create(legs[0], 'nbd', qos));
  const uri = (await volume.observe()).exports[0]?.uri ?? '';
  const load = startVerifiedLoad(uri, sizeBytes, 3000);
  const writesBefore = (await site.card.measure(volume.volumeId)).writeOperations;
  await vi.waitFor(
    async () => expect((await site.card.measure(volume.volumeId)).writeOperations).toBeGreaterThan(writesBefore + 500),
    { timeout: 10_000 },
  );
  for (const [index, leg] of legs.entries()) {
    const from = legs[index - 1];
    if (from === undefined) continue;
    await volume.perform(
      { kind: 'widen-limits', from: qos, copyBytesPerSecond: 128 * MIB },
      ...volume.swap(index + 1, from, leg, 128 * MIB),
      { kind: 'restore-limits', to: qos },
    );
  }
  load.stop();
  const { reads, ...result } = await load.ended;
  expect(result).toMatchObject({ error: 0, failedIo: 0 });
  expect(reads).toBeGreaterThan(1000);
  expect(await volume.observe()).toMatchObject({
    head: { stackGeneration: 5, qos, widened: false },
    copy: null,
    stacks: [{ stackGeneration: 5 }],
  });
});
