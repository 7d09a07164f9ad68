import type { Change, QosLimits, Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Asking, measureIops } from '../load/iops.js';
import { reach } from './testing/places.js';
import { subjectsOn } from './testing/subjects.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

/** So slow that the copy lasts longer than its guest is measured. */
const COPY_BYTES_PER_SECOND = 12 * MiB;
const SIZE_BYTES = 128 * MiB;
/** What the copy may spend of the head's operations: one for each 64 KiB. */
const COPY_IOPS = COPY_BYTES_PER_SECOND / (64 * 1024);
/** Long enough for some thousand requests at these limits. */
const MEASURED_SECONDS = 3;
const LIMIT = 600;

const system = new System({ scheduler: { copyBytesPerSecond: COPY_BYTES_PER_SECOND } });
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, restsOn } = subjectsOn(system);

async function iopsOf(volume: Volume, asking: Asking = {}): Promise<number> {
  const { iops, failedIo } = await measureIops(system.targetOf(volume), MEASURED_SECONDS, asking);
  expect(failedIo).toBe(0);
  return iops;
}

/** A volume with a limit that its guest was seen to reach. */
async function limited(name: string): Promise<Volume> {
  const { volume } = await filled(name, { sizeBytes: SIZE_BYTES });
  await system.settled((await system.api.changeVolume(volume.volumeId, { qos: { iopsTotal: LIMIT } })).change);
  await isHeldTo(LIMIT, volume);
  return volume;
}

/** How often a guest is measured that does not get its limit: a disk that others share may not give it just then. */
const MEASUREMENTS = 5;

/** Never above its limit, and at it whenever the disk gives so much. */
async function isHeldTo(limit: number, volume: Volume, asking: Asking = {}): Promise<void> {
  const measured: number[] = [];
  do {
    const iops = await iopsOf(volume, asking);
    expect(iops).toBeLessThan(1.05 * limit);
    measured.push(iops);
  } while (Math.max(...measured) < 0.95 * limit && measured.length < MEASUREMENTS);
  expect(Math.max(...measured)).toBeGreaterThan(0.95 * limit);
}

/** What the guest gets while the copy runs: half of its limit at least, and no more than its limit and the copy's rate. */
async function isServedBesideTheCopy(volume: Volume, { changeId }: Change, limit: number): Promise<void> {
  const iops = await iopsOf(volume);
  expect((await system.api.change(changeId)).state).toBe('applying');
  expect(iops).toBeGreaterThan(limit / 2);
  expect(iops).toBeLessThan(1.05 * (limit + COPY_IOPS));
}

async function copying(volume: Volume): Promise<Change> {
  const patch = { placement: { poolIds: ['pool-4'] } };
  const { change } = await system.api.changeVolume(volume.volumeId, patch);
  await reach(system, 'copying', change);
  return change;
}

const ask = async ({ volumeId }: Volume, qos: QosLimits | null) =>
  (await system.api.changeVolume(volumeId, { qos })).change;

describe('the limits of a volume that is moved', { timeout: 180_000 }, () => {
  it('are in force afterwards when its agent is killed in the middle of the copy', async () => {
    const volume = await limited('killed');
    const change = await copying(volume);
    await isServedBesideTheCopy(volume, change, LIMIT);
    await system.cluster.kill('agent-card-1', 'SIGKILL');
    await system.cluster.restart('agent-card-1');
    expect((await system.settled(change)).steps).toContainEqual(
      expect.objectContaining({ kind: 'restore-limits', outcome: 'done' }),
    );
    await isHeldTo(LIMIT, volume);
    await restsOn(volume, 'pool-4');
    await system.remove(volume);
  });

  it('are those that were asked for while the copy ran, at once and afterwards, whoever dies meanwhile', async () => {
    const volume = await limited('changed');
    const change = await copying(volume);
    expect((await ask(volume, { iopsTotal: LIMIT / 2 })).changeId).toBe(change.changeId);
    await isServedBesideTheCopy(volume, change, LIMIT / 2);
    await ask(volume, { iopsTotal: 2 * LIMIT });
    await system.cluster.kill('agent-card-1', 'SIGKILL');
    await system.cluster.restart('agent-card-1');
    await system.settled(change);
    await isHeldTo(2 * LIMIT, volume);
    expect(await system.api.volume(volume.volumeId)).toMatchObject({ qos: { iopsTotal: 2 * LIMIT } });
    await restsOn(volume, 'pool-4');
    await system.remove(volume);
  });

  it('are gone when they were lifted while the copy ran', async () => {
    const volume = await limited('lifted');
    const change = await copying(volume);
    await ask(volume, null);
    await system.settled(change);
    expect(await iopsOf(volume)).toBeGreaterThan(1.5 * (LIMIT + COPY_IOPS));
    await restsOn(volume, 'pool-4');
    await system.remove(volume);
  });

  it('are those that were asked for when the move is cancelled', async () => {
    const volume = await limited('cancelled');
    const change = await copying(volume);
    await ask(volume, { iopsTotal: 2 * LIMIT });
    expect(
      (await system.write('POST', `/v1/changes/${change.changeId}/cancel`, { key: 'cancel', body: '{}' })).status,
    ).toBe(202);
    expect((await system.api.ended(change.changeId, 60_000)).state).toBe('undone');
    await isHeldTo(2 * LIMIT, volume);
    await restsOn(volume, 'pool-1');
    await system.remove(volume);
  });
});

describe('the limits of a volume', { timeout: 180_000 }, () => {
  it('hold reads and writes apart, in requests and in bytes, and lend a burst above them', async () => {
    const { volume } = await filled('apart', { sizeBytes: 64 * MiB });
    const limitTo = async (qos: QosLimits) => system.settled(await ask(volume, qos));

    await limitTo({ iopsRead: LIMIT, bytesPerSecondWrite: 2 * MiB });
    await isHeldTo(LIMIT, volume, { requests: 'reads' });
    await isHeldTo((2 * MiB) / 4096, volume, { requests: 'writes' });

    await limitTo({ iopsTotal: LIMIT / 2, iopsTotalBurst: 2 * LIMIT });
    const withBurst = await iopsOf(volume, { fromTheStart: true });
    expect(withBurst).toBeGreaterThan(1.2 * (LIMIT / 2));
    expect(withBurst).toBeLessThan(2 * LIMIT);
    await isHeldTo(LIMIT / 2, volume);
    await system.remove(volume);
  });
});
