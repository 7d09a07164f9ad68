import { expect, test } from 'vitest';
import type { DesiredCardLeg } from '@flexbso/contracts';
import { startVerifiedLoad } from '../testing/load.js';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 64 * MIB;
/** Of a copy torn away from beneath its guest, every third ended the daemon. */
const CANCELS = 12;

/** Copies until so much is done, and takes that back. */
async function cancelAt(volume: TestVolume, doneBytes: number): Promise<void> {
  const step = volume.copy(2, 16 * MIB);
  const stop = new AbortController();
  const onProgress = (progress: { readonly doneBytes: number }) => {
    if (progress.doneBytes >= doneBytes) stop.abort();
  };
  const context = volume.context({ signal: stop.signal, onProgress });
  await expect(volume.site.card.perform(volume.volumeId, step, context)).rejects.toMatchObject({ retryable: true });
  await volume.site.card.undo(volume.volumeId, step, volume.context());
}

/** Copies to the end, and takes that back instead of cutting over. */
async function cancelWhole(volume: TestVolume): Promise<void> {
  const step = volume.copy(2, 256 * MIB);
  await volume.perform(step);
  expect((await volume.observe()).copy?.state).toBe('ready');
  await volume.site.card.undo(volume.volumeId, step, volume.context());
}

test.each([
  ['under way', 'network', (volume: TestVolume, round: number) => cancelAt(volume, (round * MIB) / 4)],
  ['whole', 'host', cancelWhole],
] as const)(
  'copies that are %s, to a %s pool, are taken back beneath a guest that writes 16 deep, which notices nothing',
  async (_what, reach, cancel) => {
    const site = await makeSite(setupQemu());
    const volume = new TestVolume(site, sizeBytes);
    const old = await volume.addLeg('host', 'leg-000000000a');
    const next: DesiredCardLeg = await volume.addLeg(reach, 'leg-000000000b');
    await volume.perform(...volume.create(old));
    const uri = (await volume.observe()).exports[0]?.uri ?? '';
    const load = startVerifiedLoad(uri, sizeBytes, null);
    for (let taken = 0; taken < CANCELS; taken++) {
      await volume.perform(...volume.build(2, next));
      await cancel(volume, taken);
      await volume.perform(volume.retire(2, next));
      expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 1 }, copy: null });
    }
    load.stop();
    const { error, failedIo, reads } = await load.ended;
    expect({ error, failedIo }).toEqual({ error: 0, failedIo: 0 });
    expect(reads).toBeGreaterThan(1000);
  },
);
