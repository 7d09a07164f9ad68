import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import { readWholeVolume } from '../load/fio.js';
import { subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, movedThrough, holds } = subjectsOn(system);
const placement = { poolIds: ['pool-1', 'pool-4', 'pool-5'] };
const wrong = Buffer.alloc(8192, 'wrong ');
/** In the area that the load only reads. */
const WRONG_AT = 8 * MiB;

function legFile({ legs }: Volume, poolId: string): string {
  const leg = legs.find((one) => one.poolId === poolId);
  return join(system.cluster.folders.pools, poolId, `${leg?.legId}.raw`);
}

async function spoil(volume: Volume, poolId: string): Promise<void> {
  const file = await open(legFile(volume, poolId), 'r+');
  await file.write(wrong, 0, wrong.length, WRONG_AT);
  await file.close();
}

describe('a mirror with safe reads under verified I/O', { timeout: 240_000 }, () => {
  it('has a leg that went bad told of, shown and repaired, without a wrong byte to its client', async () => {
    const { api } = system;
    const subject = await filled('safely-read');
    const { volumeId } = subject.volume;
    const stack = { layers: [{ kind: 'raid1' as const, legCount: 3, safeRead: true }] };
    await system.settled((await api.changeVolume(volumeId, { stack, placement })).change);
    const volume = await api.volume(volumeId);
    const bad = volume.legs.find(({ poolId }) => poolId === 'pool-4');
    const result = await system.underLoad(volume, subject.ledger, async () => {
      await spoil(volume, 'pool-4');
      await until('the bad leg is shown', DEADLINE_MS, async () => (await api.volume(volumeId)).legFaults.length > 0);
      await until('it is repaired', DEADLINE_MS, async () =>
        (await api.volume(volumeId)).legFaults.every(({ repaired }) => repaired),
      );
    });
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    const { legFaults } = await api.volume(volumeId);
    expect(legFaults).toMatchObject([{ legId: bad?.legId, kind: 'differs', repaired: true }]);
    expect(legFaults[0]?.offsetBytes).toBeLessThanOrEqual(WRONG_AT);
    expect(await readWholeVolume(system.targetOf(volume))).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    const [one, ...others] = await Promise.all(placement.poolIds.map((poolId) => readFile(legFile(volume, poolId))));
    for (const other of others) expect(other.equals(one ?? Buffer.alloc(0))).toBe(true);

    const events = await system.flexbso('get', 'events', volumeId);
    // The newest comes first.
    expect(events.stdout).toMatch(/leg-repaired[^]*leg-bad/);
    const described = await system.flexbso('describe', 'volume', volumeId);
    expect(described.stdout).toContain('raid1(3, safe read)');
    expect(described.stdout).toMatch(new RegExp(`${bad?.legId}\\s+differs`));

    // With the leg goes what was known of it.
    const moved = await movedThrough(subject, 'pool-5', 'preparing', async () => undefined, { layers: [] });
    expect(moved.state).toBe('settled');
    expect((await api.volume(volumeId)).legFaults).toEqual([]);
    await holds(subject, 'pool-5');
    await system.remove(volume);
  });
});
