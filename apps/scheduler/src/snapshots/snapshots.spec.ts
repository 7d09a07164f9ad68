import type { Change, VolumePatch } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { fleetOperator, operator, reader } from '../testing/fixtures.js';

const encrypted = { layers: [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }] };
let cell: MemoryCell;
let writes = 0;

beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function asked() {
  const { generation } = await cell.volumeNow();
  writes += 1;
  return {
    v: 1 as const,
    caller: operator,
    volume: 'vol-a',
    basedOnGeneration: generation,
    idempotencyKey: `${writes}`,
  };
}
async function take(name: string): Promise<Change> {
  const { change } = await cell.scheduler.volumes.createSnapshot({ ...(await asked()), spec: { name } });
  await cell.settle();
  return cell.changeNow(change.changeId);
}
async function drop(snapshot: string): Promise<Change> {
  const { change } = await cell.scheduler.volumes.deleteSnapshot({ ...(await asked()), snapshot });
  await cell.settle();
  return cell.changeNow(change.changeId);
}
async function patch(what: VolumePatch): Promise<void> {
  await cell.change(what);
  await cell.settle();
}
const legsOnPools = () =>
  cell.pools.flatMap((pool) =>
    [...pool.items.values()].filter(({ tombstone }) => !tombstone).map(({ legId }) => legId),
  );
const legsOf = async (stackGeneration: number) =>
  (await cell.volumeNow()).legs.filter((leg) => leg.stackGeneration === stackGeneration).map(({ legId }) => legId);
const namesAndStates = async () => (await cell.volumeNow()).snapshots.map(({ name, state }) => [name, state]);

describe('a snapshot', () => {
  it('is what its volume ran on, and the volume goes on upon it with legs and a key of its own', async () => {
    await cell.create({ stack: encrypted });
    const before = await cell.volumeNow();
    const change = await take('monday');
    expect(change).toMatchObject({ kind: 'snapshot', state: 'settled', plan: { destroys: [], bytesToCopy: 0 } });
    expect(change.plan.lacks).toEqual(['crash-safety']);
    const after = await cell.volumeNow();
    expect(after).toMatchObject({ state: 'ready', generation: 2, snapshots: [{ name: 'monday', state: 'ready' }] });
    expect(after.keyRef).not.toBe(before.keyRef);
    const given = cell.cardOf(after).items.get(after.volumeId);
    expect(given?.bases).toMatchObject([{ stackGeneration: 1, encryptionKey: { keyRef: before.keyRef } }]);
    const snapshot = await cell.scheduler.queries.getSnapshot({ ...reader, volume: 'vol-a', snapshot: 'monday' });
    expect(snapshot).toMatchObject({
      keyRef: before.keyRef,
      stackGeneration: 1,
      legs: before.legs.map(({ legId }) => ({ legId })),
      format: 'flat',
      reservations: before.legs.map(({ poolId, sizeBytes }) => ({ poolId, capacityBytes: sizeBytes })),
    });
    await take('tuesday');
    const { legs } = await cell.volumeNow();
    const later = await cell.scheduler.queries.getSnapshot({ ...reader, volume: 'vol-a', snapshot: 'tuesday' });
    const read = legs.filter(({ stackGeneration }) => stackGeneration <= 2);
    const held = later.reservations.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
    expect(later).toMatchObject({ format: 'overlay', legs: read.map(({ legId }) => ({ legId })) });
    expect(held).toBe(read.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    expect((await cell.scheduler.checks.run({ caller: fleetOperator })).differences).toEqual([]);
  });

  it('that is the newest is ended by writing back, and the legs of what came after go', async () => {
    await cell.create({ stack: encrypted });
    const { legs } = await cell.volumeNow();
    await take('monday');
    const change = await drop('monday');
    expect(change).toMatchObject({ kind: 'delete-snapshot', state: 'settled' });
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual(
      expect.arrayContaining(['copy', 'cut-over', 'close-stack', 'delete-leg']),
    );
    expect(await namesAndStates()).toEqual([]);
    expect(legsOnPools()).toEqual(legs.map(({ legId }) => legId));
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('that others read through goes as a thing, and its legs only with the last of these', async () => {
    await cell.create({});
    await take('monday');
    await take('tuesday');
    const oldest = await legsOf(1);
    expect((await drop('monday')).plan.steps).toEqual([]);
    expect(await namesAndStates()).toEqual([['tuesday', 'ready']]);
    expect(legsOnPools()).toEqual(expect.arrayContaining(oldest));
    await patch({ stack: encrypted, acknowledgeSnapshots: true });
    // What is flat now reads none of them; the other snapshot still reads through both.
    expect((await cell.volumeNow()).legs).toHaveLength(3);
    expect(legsOnPools()).toEqual(expect.arrayContaining(oldest));
    await drop('tuesday');
    expect((await cell.volumeNow()).legs).toHaveLength(1);
    expect(legsOnPools()).toHaveLength(1);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('stays where it is when its volume is copied to another stack, with its legs, its key and its room', async () => {
    await cell.create({ stack: encrypted });
    await take('monday');
    const frozen = await legsOf(1);
    const overlay = await legsOf(2);
    await patch({ stack: { layers: [] } });
    expect(legsOnPools()).toEqual(expect.arrayContaining(frozen));
    expect(legsOnPools()).not.toEqual(expect.arrayContaining(overlay));
    const { cardId, volumeId } = await cell.volumeNow();
    expect(cell.cardOf({ cardId }).items.get(volumeId)?.bases).toBeUndefined();
    expect(await cell.store.read((store) => store.keysOf(volumeId))).toHaveLength(1);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('is asked about before its volume is encrypted or re-keyed', async () => {
    await cell.create({});
    await take('monday');
    expect(await refusalOf(cell.change({ stack: encrypted }))).toBe('snapshots-keep-old-state');
    await patch({ stack: encrypted, acknowledgeSnapshots: true });
    const now = await cell.volumeNow();
    const rekey = { from: now.keyRef ?? '' };
    expect(await refusalOf(cell.change({ rekey }))).toBe('snapshots-keep-old-state');
    await expect(cell.change({ rekey })).rejects.toThrow('with the keys that it has, or with none');
    await patch({ rekey, acknowledgeSnapshots: true });
    expect((await cell.volumeNow()).keyRef).not.toBe(now.keyRef);
  });

  it('is named before its volume is encrypted only where it is not encrypted itself, or reads what is not', async () => {
    await cell.create({ stack: encrypted });
    await take('sealed');
    await patch({ stack: { layers: [] } });
    expect(await refusalOf(cell.change({ stack: encrypted, qos: { iopsTotal: 500 } }))).toBe(null);
    await cell.settle();
    await patch({ stack: { layers: [] } });
    await take('clear');
    const refusal = cell.change({ stack: encrypted });
    await expect(refusal).rejects.toThrow('clear (');
    await expect(refusal).rejects.not.toThrow('sealed (');
  });

  it('keeps its volume from being deleted, and needs one that there is', async () => {
    await cell.create({});
    await take('monday');
    const { volumeId, generation } = await cell.volumeNow();
    const deletion = {
      v: 1 as const,
      caller: operator,
      volume: volumeId,
      idempotencyKey: 'd',
      basedOnGeneration: generation,
    };
    expect(await refusalOf(cell.scheduler.volumes.delete(deletion))).toBe('has-snapshots');
    await drop('monday');
    const now = await cell.volumeNow();
    await cell.scheduler.volumes.delete({ ...deletion, idempotencyKey: 'e', basedOnGeneration: now.generation });
    await cell.settle();
    expect(legsOnPools()).toEqual([]);
    const late = { v: 1 as const, caller: operator, volume: volumeId, basedOnGeneration: 1, idempotencyKey: 'f' };
    expect(await refusalOf(cell.scheduler.volumes.createSnapshot({ ...late, spec: { name: 'late' } }))).toBe(
      'not-found',
    );
  });

  it('is taken once under a name, and so often that its volume runs on nine stacks at most', async () => {
    await cell.create({});
    await take('day-0');
    const again = { ...(await asked()), spec: { name: 'day-0' } };
    expect(await refusalOf(cell.scheduler.volumes.createSnapshot(again))).toBe('name-taken');
    for (let day = 1; day < 8; day++) await take(`day-${day}`);
    const deepest = { ...(await asked()), spec: { name: 'day-8' } };
    expect(await refusalOf(cell.scheduler.volumes.createSnapshot(deepest))).toBe('change-refused');
    const { items } = await cell.scheduler.queries.listSnapshots({ ...reader, pageSize: 50 });
    expect(items.map(({ name }) => name)).toEqual(Array.from({ length: 8 }, (_, day) => `day-${day}`));
  });

  it('is not there when its change was turned back, and nothing of it is left', async () => {
    await cell.create({});
    const { cardId, legs } = await cell.volumeNow();
    const card = cell.cardOf({ cardId });
    const problem = { code: 'step-failed' as const, detail: 'the data plane failed' };
    const { play } = card;
    card.play = (item) =>
      item.bases
        ? play(item)
            .slice(0, 1)
            .map((report) => ({
              ...report,
              phase: 'undone',
              problem,
              closedLegIds: item.stack.legs.map(({ legId }) => legId),
            }))
        : play(item);
    const change = await take('monday');
    expect(change.state).toBe('undone');
    expect(await namesAndStates()).toEqual([]);
    expect(legsOnPools()).toEqual(legs.map(({ legId }) => legId));
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
