import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { snapshotSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume, readWholeVolume } from '../load/fio.js';
import { refusalOf } from './testing/refusal.js';
import { checked, subjectsOn } from './testing/subjects.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, holds } = subjectsOn(system);

/** What each leg of a snapshot holds, as its pool has it. */
async function frozenOf({ volumeId }: Volume, snapshot: string): Promise<string[]> {
  const { legs } = await system.api.get(`/v1/volumes/${volumeId}/snapshots/${snapshot}`, snapshotSchema);
  const contents = legs.map(({ legId, poolId }) =>
    readFile(join(system.cluster.folders.pools, poolId, `${legId}.raw`)),
  );
  return (await Promise.all(contents)).map((content) => createHash('sha256').update(content).digest('hex'));
}

const nothingWrong = { failedIo: 0, wrongBlocks: 0 };

describe('a snapshot under verified I/O', { timeout: 240_000 }, () => {
  it('is taken beneath its client, stays as it is, and is written back with its agent killed meanwhile', async () => {
    const { api, cluster } = system;
    const subject = await filled('watched');
    const { volume, ledger } = subject;
    const { volumeId } = volume;
    const taken = await system.underLoad(volume, ledger, async () => {
      const { status, stderr } = await system.flexbso('create', 'snapshot', 'watched', 'monday', '--wait');
      expect([status, stderr]).toEqual([0, expect.anything()]);
    });
    expect(taken).toMatchObject(nothingWrong);
    const listed = await system.flexbso('get', 'snapshots', 'watched');
    expect(listed.stdout).toMatch(/monday\s+snap-.*ready/);
    const frozen = await frozenOf(volume, 'monday');
    await fillVolume(system.targetOf(volume), ledger);
    expect(await frozenOf(volume, 'monday')).toEqual(frozen);
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    expect((await refusalOf(api.deleteVolume(volumeId))).code).toBe('has-snapshots');
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });

    const deleted = await system.underLoad(volume, ledger, async () => {
      const { change } = await api.deleteSnapshot(volumeId, 'monday');
      await cluster.kill('agent-card-1', 'SIGKILL');
      await cluster.restart('agent-card-1');
      const settled = await system.settled(change);
      expect(settled.plan.steps.some(({ step }) => step.kind === 'copy' && step.commits === true)).toBe(true);
    });
    expect(deleted).toMatchObject(nothingWrong);
    await holds(subject, 'pool-1');
    expect((await refusalOf(api.deleteSnapshot(volumeId, 'monday'))).code).toBe('not-found');
    await system.remove(volume);
  });

  it('of an encrypted mirror on remote legs stays where it is when its volume moves and is encrypted anew', async () => {
    const { api } = system;
    const layers = [{ kind: 'encryption' }, { kind: 'raid1', legCount: 3, safeRead: false }];
    const poolIds = ['pool-1', 'pool-4', 'pool-5'];
    const placement = { cardId: 'card-1', poolIds };
    const volume = await system.create('mirrored', { sizeBytes: 64 * MiB, stack: { layers }, placement });
    const ledger = new BlockLedger(volume.sizeBytes);
    await fillVolume(system.targetOf(volume), ledger);
    const { volumeId } = volume;
    const taken = await system.underLoad(volume, ledger, async () => {
      await system.settled((await api.createSnapshot(volumeId, 'monday')).change);
    });
    expect(taken).toMatchObject(nothingWrong);
    const frozen = await frozenOf(volume, 'monday');
    const rekey = { from: String((await api.volume(volumeId)).keyRef) };
    expect((await refusalOf(api.changeVolume(volumeId, { rekey }))).code).toBe('snapshots-keep-old-state');
    const moved = await system.underLoad(volume, ledger, async () => {
      const asked = await system.flexbso('change', 'volume', 'mirrored', '--rekey', '--keep-snapshots', '--wait');
      expect([asked.status, asked.stderr]).toEqual([0, expect.anything()]);
    });
    expect(moved).toMatchObject(nothingWrong);
    expect(await frozenOf(volume, 'monday')).toEqual(frozen);
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    expect(await readWholeVolume(system.targetOf(volume))).toMatchObject(nothingWrong);
    await system.settled((await api.createSnapshot(volumeId, 'tuesday')).change);
    const ended = await system.underLoad(volume, ledger, async () => {
      await system.settled((await api.deleteSnapshot(volumeId, 'tuesday')).change);
    });
    expect(ended).toMatchObject(nothingWrong);
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    expect((await api.volume(volumeId)).legs).toHaveLength(6);
    await system.settled((await api.deleteSnapshot(volumeId, 'monday')).change);
    expect((await api.volume(volumeId)).legs).toHaveLength(3);
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });
    await system.remove(volume);
  });
});
