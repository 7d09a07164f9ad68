import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { snapshotSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume, readWholeVolume } from '../load/fio.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { until } from '../api/until.js';
import { refusalOf } from './testing/refusal.js';
import { checked, subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

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

/** All that a volume shows its client. */
const imageOf = (volume: Volume): Promise<string> =>
  system.targetOf(volume).withImage(async (image) =>
    createHash('sha256')
      .update(await readFile(image))
      .digest('hex'),
  );

/** A clone that was written to while it stood on its snapshot, and after it was copied flat. */
async function triedOut(name: string, from: string, image: string): Promise<void> {
  const { api } = system;
  const { status, stderr } = await system.flexbso(
    'create',
    'volume',
    name,
    '--from',
    from,
    '--protocol',
    'nbd',
    '--wait',
  );
  expect([status, stderr]).toEqual([0, expect.anything()]);
  const clone = await api.volume(name);
  expect(clone.standsOn).not.toBeNull();
  expect(await imageOf(clone)).toBe(image);
  const ledger = new BlockLedger(clone.sizeBytes);
  await fillVolume(system.targetOf(clone), ledger);
  const moved = await system.underLoad(clone, ledger, async () => {
    await system.settled((await api.changeVolume(clone.volumeId, { stack: { layers: [] } })).change);
  });
  expect(moved).toMatchObject(nothingWrong);
  expect(await system.wrongBlocks(clone, ledger)).toEqual([]);
  await system.remove(clone);
}

/** Once, with what to do: the volume's data plane was killed. */
async function saysWhatWasLost(volumeId: string): Promise<void> {
  const lost = async () =>
    (await system.flexbso('get', 'events', volumeId)).stdout
      .split('\n')
      .filter((line) => line.includes('-writes-lost'));
  await until('it is said', DEADLINE_MS, async () => (await lost()).length > 0);
  expect(await lost()).toEqual([expect.stringContaining('check its file systems')]);
  expect((await system.flexbso('describe', 'volume', volumeId)).stdout).toMatch(/unflushed writes, .* are lost/);
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
    expect((await system.flexbso('describe', 'snapshot', 'watched', 'monday')).stdout).toMatch(/format +flat/);
    expect(listed.stdout).toMatch(/monday\s+snap-.*ready/);
    const frozen = await frozenOf(volume, 'monday');
    await fillVolume(system.targetOf(volume), ledger);
    expect(await frozenOf(volume, 'monday')).toEqual(frozen);
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    expect((await refusalOf(api.deleteVolume(volumeId))).code).toBe('has-snapshots');
    const clone = await system.create('kept', {
      sizeBytes: volume.sizeBytes,
      fromSnapshot: { volume: volumeId, snapshot: 'monday' },
      placement: {},
    });
    // One plain leg holds exactly what the volume showed.
    expect(await imageOf(clone)).toBe(frozen[0]);
    expect((await refusalOf(api.deleteSnapshot(volumeId, 'monday'))).code).toBe('change-refused');
    // The load never flushes, and what was not flushed dies with the data plane; each cut-over flushes.
    await system.settled((await api.createSnapshot(volumeId, 'tuesday')).change);
    await system.settled((await api.deleteSnapshot(volumeId, 'tuesday')).change);
    await system.cluster.kill('agent-card-1', 'SIGKILL');
    await killProcesses(dataPlanesIn(join(cluster.folders.run, 'card-1')));
    await system.cluster.restart('agent-card-1');
    await until(
      'both are served again',
      DEADLINE_MS,
      async () =>
        (await system.isServed(await api.volume(volumeId))) &&
        (await system.isServed(await api.volume(clone.volumeId))),
    );
    expect(await imageOf(clone)).toBe(frozen[0]);
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    await saysWhatWasLost(volumeId);
    await system.remove(clone);
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
    const image = await imageOf(volume);
    await system.settled((await api.createSnapshot(volumeId, 'monday')).change);
    const written = await system.underLoad(volume, ledger, () => triedOut('trial', 'mirrored/monday', image));
    expect(written).toMatchObject(nothingWrong);
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
