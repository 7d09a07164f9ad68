import { type Change, changeSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { readWholeVolume } from '../load/fio.js';
import { leftoversOf } from './testing/leftovers.js';
import { checked, subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, START_OR_END_MS, System } from './testing/system.js';

/** So soon only here: a pool's restart is to be over before a leg is given up. */
const system = new System({ scheduler: { replaceLegAfterMs: 1_000 } });
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled } = subjectsOn(system);

async function replacementOf({ volumeId }: Volume): Promise<Change | undefined> {
  const page = z.object({ items: z.array(changeSchema) });
  const { items } = await system.api.get(`/v1/changes?volumeId=${volumeId}`, page);
  return items.find(({ kind, plan }) => kind === 'heal' && plan.steps.length > 0);
}

describe('a mirror of which a leg failed, under verified I/O', { timeout: 240_000 }, () => {
  it('is degraded, goes on, and has a new leg synchronised by itself after the set time', async () => {
    const { api, cluster } = system;
    const subject = await filled('healing');
    const { volumeId } = subject.volume;
    const stack = { layers: [{ kind: 'raid1' as const, legCount: 3, safeRead: false }] };
    const placement = { poolIds: ['pool-1', 'pool-4', 'pool-5'] };
    await system.settled((await api.changeVolume(volumeId, { stack, placement })).change);
    const before = await api.volume(volumeId);
    const failed = before.legs.find(({ poolId }) => poolId === 'pool-4');

    const result = await system.underLoad(before, subject.ledger, async () => {
      await cluster.kill('agent-pool-4', 'SIGKILL');
      await killProcesses(dataPlanesIn(`${cluster.folders.run}/pool-4`));
      await until('it is degraded', DEADLINE_MS, async () => {
        const { degraded } = await api.volume(volumeId);
        return degraded?.legIds.join() === failed?.legId;
      });
      // There is no other pool for the third leg: it waits for this one, whose disk is as good as new.
      await cluster.restart('agent-pool-4');
      await until('it is healthy', DEADLINE_MS, async () => (await api.volume(volumeId)).degraded === null);
      const change = await replacementOf(before);
      if (change === undefined) throw new Error('nothing replaced the leg');
      await system.settled(change);
    });
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    expect(result.ioCount).toBeGreaterThan(1000);

    const healed = await api.volume(volumeId);
    expect(healed).toMatchObject({ state: 'ready', stack, degraded: null, legFaults: [] });
    expect(healed.legs.map(({ legId }) => legId)).not.toContain(failed?.legId);
    expect(healed.legs).toHaveLength(3);
    expect(await readWholeVolume(system.targetOf(healed))).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    expect(await system.wrongBlocks(healed, subject.ledger)).toEqual([]);
    expect(await leftoversOf(system)).toEqual([]);
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });

    const { stdout } = await system.flexbso('get', 'events', volumeId);
    expect(stdout).toMatch(/healthy[^]*degraded[^]*leg-bad/);
    await system.remove(healed);
  });
});
