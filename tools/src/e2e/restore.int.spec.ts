import { type Divergence, divergenceSchema, type Volume, type VolumePatch } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { stopProcesses } from '../cluster/processes.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { leftoversOf } from './testing/leftovers.js';
import { refusalOf } from './testing/refusal.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

interface Subject {
  readonly volume: Volume;
  readonly ledger: BlockLedger;
}

async function filled(volume: Volume): Promise<Subject> {
  const ledger = new BlockLedger(volume.sizeBytes);
  await fillVolume(system.targetOf(volume), ledger);
  return { volume, ledger };
}

async function holds({ volume, ledger }: Subject): Promise<void> {
  expect(await system.wrongBlocks(await system.api.volume(volume.volumeId), ledger)).toEqual([]);
}

/** Does something while all of the subjects are under verified I/O, of which none may fail. */
async function underLoadOf(subjects: readonly Subject[], act: () => Promise<void>): Promise<void> {
  const [first, ...others] = subjects;
  if (!first) return act();
  const result = await system.underLoad(first.volume, first.ledger, () => underLoadOf(others, act));
  expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
  expect(result.ioCount).toBeGreaterThan(1000);
}

const differences = (): Promise<Divergence> => system.api.get('/v1/differences', divergenceSchema);

async function flexbso(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await system.flexbso(...words);
  if (status !== 0) throw new Error(`flexbso ${words.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Everything of the card is killed at once, and comes back. */
async function reboot(cardId: string): Promise<void> {
  const { cluster } = system;
  await cluster.kill(`agent-${cardId}`, 'SIGKILL');
  await stopProcesses(dataPlanesIn(`${cluster.folders.run}/${cardId}`));
  await cluster.restart(`agent-${cardId}`);
}

const encrypted = { stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } } satisfies VolumePatch;
const on = (poolId: string) => ({ placement: { cardId: 'card-1', poolIds: [poolId] } });

describe("the scheduler's database, restored from a backup that is older than what runs", { timeout: 300_000 }, () => {
  it('changes nothing that runs, tells every difference, and is followed once each is adopted or deleted', async () => {
    const same = await system.create('same', on('pool-1'));
    const swapped = await system.create('swapped', on('pool-1'));
    const gone = await system.create('gone', on('pool-4'));
    expect(await flexbso('backup', 'before')).toContain('3 volumes');
    const created = await system.create('created', { ...on('pool-5'), ...encrypted });
    const stray = await system.create('stray', on('pool-4'));
    await system.move(swapped, 'pool-4');
    await system.remove(gone);
    const subjects = await Promise.all([same, swapped, created].map(filled));

    await underLoadOf(subjects, async () => {
      expect(await flexbso('get', 'backups')).toContain('before');
      await flexbso('restore', 'before');
      await until('the agents say that they are diverged', DEADLINE_MS, async () =>
        (await system.volumes()).every(({ state }) => state === 'diverged'),
      );
      await system.cluster.kill('agent-card-1', 'SIGKILL');
      await system.cluster.restart('agent-card-1');
    });

    await until('everybody answers', DEADLINE_MS, async () =>
      (await differences()).agents.every(({ failure }) => failure === null),
    );
    const { volumes, agents } = await differences();
    expect(agents).toHaveLength(8);
    expect(Object.fromEntries(volumes.map(({ volumeId, since }) => [volumeId, since]))).toEqual({
      [swapped.volumeId]: 'changed',
      [gone.volumeId]: 'deleted',
      [created.volumeId]: 'created',
      [stray.volumeId]: 'created',
    });
    const check = await system.flexbso('check');
    expect(check.status).toBe(1);
    for (const { volumeId } of [swapped, gone, created, stray]) expect(check.stdout).toContain(volumeId);
    expect(check.stdout).not.toContain(same.volumeId);
    expect(await flexbso('describe', 'card', 'card-1')).toContain(`${stray.volumeId}: created since the backup`);
    expect(await flexbso('describe', 'pool', 'pool-1')).toMatch(/swapped.*changed since the backup/);
    expect(await refusalOf(system.api.changeVolume(same.volumeId, { qos: { iopsTotal: 500 } }))).toMatchObject({
      status: 409,
      code: 'diverged',
    });

    await reboot('card-1');
    await until('the card runs again what it ran', DEADLINE_MS, async () => {
      const served = await Promise.all([same, swapped, created, stray].map((volume) => system.isServed(volume)));
      return served.every(Boolean);
    });
    for (const { volume, ledger } of subjects) expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    await until('the card is at rest', DEADLINE_MS, async () =>
      (await differences()).volumes.every(({ adopt }) => adopt.can),
    );

    await underLoadOf(subjects, async () => {
      expect(await flexbso('adopt', gone.volumeId)).toContain('forgotten');
      expect(await flexbso('adopt', swapped.volumeId)).toContain('adopted');
      expect(await flexbso('delete', 'diverged', stray.volumeId)).toContain('deleted');
      expect(await flexbso('adopt', created.volumeId, '--name', 'created')).toContain('card card-1 follows');
      await until('the last tombstone is carried out', DEADLINE_MS, async () => {
        const { status } = await system.flexbso('check');
        return status === 0 && (await system.volumes()).every(({ state }) => state === 'ready');
      });
      expect((await system.volumes()).map(({ name }) => name).toSorted()).toEqual(['created', 'same', 'swapped']);
      expect(await system.api.volume(created.volumeId)).toMatchObject({ stack: encrypted.stack, uri: created.uri });
      await system.settled((await system.api.changeVolume(same.volumeId, { qos: { iopsTotal: 5_000 } })).change);
      await system.move(swapped, 'pool-5');
      await system.move(created, 'pool-4');
    });

    for (const { volume, ledger } of subjects) expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    expect(await leftoversOf(system)).toEqual([]);
    // The restored database is the one that agents follow, and its scheduler knows it again.
    await system.cluster.kill('scheduler', 'SIGKILL');
    await system.cluster.restart('scheduler');
    expect(await flexbso('check')).toContain(' 0 differences');
    expect(await differences()).toMatchObject({ agents: [], volumes: [] });
    expect(await flexbso('get', 'events', 'scheduler')).toMatch(/restored.*first/);
    for (const { volume } of subjects) await system.remove(volume);
  });

  it('has snapshots and clones again with their volumes, and every byte of each', async () => {
    expect(await flexbso('backup', 'empty')).toContain('0 volumes');
    const kept = await filled(await system.create('kept', { sizeBytes: 32 * MiB, ...on('pool-1'), ...encrypted }));
    await flexbso('create', 'snapshot', 'kept', 'monday', '--wait');
    await flexbso('create', 'volume', 'copy', '--from', 'kept/monday', '--protocol', 'nbd', '--wait');
    const copy = { volume: await system.api.volume('copy'), ledger: kept.ledger };
    const { volume } = kept;
    const tuesday = await filled(await system.api.volume(volume.volumeId));
    // Flat from then on: the snapshot lies beside it, and its card has no more than word of it.
    await system.move(volume, 'pool-4');
    await flexbso('restore', 'empty');
    await until('everybody answers and is at rest', DEADLINE_MS, async () => {
      const { agents, volumes } = await differences();
      return agents.every(({ failure }) => failure === null) && volumes.every(({ adopt }) => adopt.can);
    });
    const told = await flexbso('get', 'differences');
    expect(told).toMatch(/with its snapshots monday \(snap-/);
    expect(told).toContain(`delete: no: clones read from its snapshots: ${copy.volume.volumeId}`);
    await flexbso('adopt', volume.volumeId, '--name', 'kept');
    await flexbso('adopt', copy.volume.volumeId, '--name', 'copy');
    await until('everybody follows', DEADLINE_MS, async () => (await system.flexbso('check')).status === 0);
    expect(await flexbso('get', 'snapshots')).toMatch(/monday.*ready/);
    await holds(tuesday);
    await holds(copy);
    const again = await system.flexbso('delete', 'snapshot', 'kept', 'monday');
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('clones read from it')]);
    await system.remove(copy.volume);
    await flexbso('detach', 'volume', 'kept', '--wait');
    await flexbso('rollback', 'volume', 'kept', 'monday', '--wait');
    await flexbso('attach', 'volume', 'kept', '--wait');
    await holds({ volume, ledger: copy.ledger });
    await flexbso('delete', 'snapshot', 'kept', 'monday', '--wait');
    await holds({ volume, ledger: copy.ledger });
    await system.remove(volume);
    expect(await leftoversOf(system)).toEqual([]);
  });
});
