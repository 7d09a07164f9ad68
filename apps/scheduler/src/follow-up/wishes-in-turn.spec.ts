import { beforeEach, describe, expect, it } from 'vitest';
import { failWith, SlowCard, succeed } from '../testing/fake-agents.js';
import { encrypted, MIB } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

const secret = { layers: [...encrypted.layers] };
const mirror = { kind: 'raid1' as const, legCount: 2, safeRead: false };
const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });
const gold = { labels: { tier: 'gold' } };

let cell: MemoryCell;
let slow: SlowCard;
beforeEach(async () => {
  cell = await MemoryCell.start();
  slow = new SlowCard();
});

const hesitate = () => {
  slow.isWorking = false;
  for (const card of cell.cards) card.play = slow.play;
};

/** A volume on pool-1 whose card works on a change, to pool-2 if not said otherwise. */
async function changing(patch: Parameters<MemoryCell['change']>[0] = toPool('pool-2')) {
  await cell.create({ ...toPool('pool-1'), qos: { iopsTotal: 500 } });
  hesitate();
  const { change } = await cell.change(patch);
  await cell.settle();
  return change;
}

async function finish() {
  await cell.settle();
  slow.isWorking = true;
  for (const card of cell.cards) await card.goOn();
  await cell.settle();
}

const poolsNow = async () => (await cell.volumeNow()).legs.map(({ poolId }) => poolId);

async function askToDelete() {
  const { generation } = await cell.volumeNow();
  return cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation });
}

describe('what a queued change begins with', () => {
  it('is its own wish where somebody cancelled the one before', async () => {
    const first = await changing();
    const { change } = await cell.change(gold);
    await cell.cancel(first.changeId);
    await finish();
    expect((await cell.changeNow(first.changeId)).state).toBe('undone');
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', differences: ['labels'] });
    expect(await poolsNow()).toEqual(['pool-1']);
    await expectNothingLeft(cell);
  });

  it('is its own wish where the one before failed', async () => {
    const first = await changing();
    const { change } = await cell.change(gold);
    for (const card of cell.cards) card.play = failWith({ code: 'step-failed', detail: 'no' });
    for (const card of cell.cards) await card.goOn();
    await cell.settle();
    expect(await cell.changeNow(first.changeId)).toMatchObject({ state: 'undone', problem: { code: 'step-failed' } });
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', problem: null });
    expect(await cell.volumeNow()).toMatchObject(gold);
    expect(await poolsNow()).toEqual(['pool-1']);
  });

  it('is its own wish where the one before failed while it gave way', async () => {
    await changing();
    for (const card of cell.cards) card.play = failWith({ code: 'step-failed', detail: 'no' });
    const { change } = await cell.change({ stack: secret });
    for (const card of cell.cards) {
      await card.catchUp();
      card.play = succeed;
    }
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', differences: ['stack'] });
    expect(await poolsNow()).toEqual(['pool-1']);
  });

  it('names no more pools than it has legs, and no key of what it ends', async () => {
    await changing({ stack: { layers: [mirror] }, placement: { poolIds: ['pool-2', 'pool-3'] } });
    const one = await cell.change({ stack: secret });
    await finish();
    expect((await cell.changeNow(one.change.changeId)).state).toBe('settled');
    expect(await poolsNow()).toEqual(['pool-2']);
    hesitate();
    await cell.change({ rekey: { from: (await cell.volumeNow()).keyRef ?? '' } });
    await cell.settle();
    const plain = await cell.change({ stack: { layers: [] } });
    await finish();
    expect((await cell.changeNow(plain.change.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ keyRef: null });
    await expectNothingLeft(cell);
  });
});

describe('a wish that could not begin once the change before gave way to it', () => {
  it('is refused at once, and nothing is taken back', async () => {
    await cell.create();
    const { generation } = await cell.volumeNow();
    const asked = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation, spec: { name: 'monday' } };
    await cell.scheduler.volumes.createSnapshot(asked);
    await cell.settle();
    hesitate();
    const first = (await cell.change({ stack: secret, acknowledgeSnapshots: true })).change;
    await cell.settle();
    const both = { stack: { layers: [...encrypted.layers, mirror] } };
    expect(await refusalOf(cell.change(both))).toBe('snapshots-keep-old-state');
    expect(await cell.changeNow(first.changeId)).toMatchObject({ state: 'applying', cancel: null });
    const { change } = await cell.change({ ...both, acknowledgeSnapshots: true });
    await finish();
    expect((await cell.changeNow(first.changeId)).state).toBe('undone');
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
  });
});

describe('what is asked for while a change is queued', () => {
  it('takes its place, with what both had wanted', async () => {
    const first = await changing();
    const queued = (await cell.change(gold)).change;
    const { volume, change } = await cell.change({ stack: secret });
    expect(volume.queuedChangeId).toBe(change.changeId);
    expect(await cell.changeNow(queued.changeId)).toMatchObject({
      state: 'undone',
      waitingFor: null,
      problem: { code: 'superseded', facts: { changeId: change.changeId } },
    });
    await finish();
    expect((await cell.changeNow(first.changeId)).state).toBe('undone');
    const done = await cell.changeNow(change.changeId);
    expect(done.state).toBe('settled');
    expect(done.differences.toSorted()).toEqual(['labels', 'pools', 'stack']);
    expect(await cell.volumeNow()).toMatchObject({ ...gold, stack: secret });
    expect(await poolsNow()).toEqual(['pool-2']);
    await expectNothingLeft(cell);
    const told = cell.store.takeEvents().filter(({ id }) => id === queued.changeId);
    expect(told.map(({ what }) => what)).toEqual(['queued', 'undone']);
  });

  it('keeps what gave way to the one whose place it takes, and is right where both name a thing', async () => {
    await changing();
    const queued = (await cell.change({ stack: secret, labels: { tier: 'tin' } })).change;
    const { change } = await cell.change(gold);
    await finish();
    expect((await cell.changeNow(queued.changeId)).problem?.code).toBe('superseded');
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ ...gold, stack: secret });
    expect(await poolsNow()).toEqual(['pool-2']);
    expect((await cell.volumeNow()).keyRef).not.toBeNull();
  });

  it('is taken along by what is under way where it is limits alone, and the queued one keeps them', async () => {
    const first = await changing();
    const queued = (await cell.change({ ...gold, qos: { iopsTotal: 700 } })).change;
    const { change, volume } = await cell.change({ qos: { iopsTotal: 77 } });
    expect(change.changeId).toBe(first.changeId);
    expect(volume).toMatchObject({ qos: { iopsTotal: 77 }, queuedChangeId: queued.changeId });
    await finish();
    expect((await cell.changeNow(first.changeId)).state).toBe('settled');
    expect((await cell.changeNow(queued.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ ...gold, qos: { iopsTotal: 77 } });
    expect(await poolsNow()).toEqual(['pool-2']);
  });

  it('is queued with it where it is limits of a volume whose change gives way', async () => {
    await changing();
    const queued = (await cell.change({ stack: secret })).change;
    const { change } = await cell.change({ qos: { iopsTotal: 77 } });
    expect(change.state).toBe('queued');
    expect((await cell.changeNow(queued.changeId)).problem?.code).toBe('superseded');
    await finish();
    expect(await cell.volumeNow()).toMatchObject({ qos: { iopsTotal: 77 }, stack: secret });
    expect(await poolsNow()).toEqual(['pool-2']);
  });

  it('is deleted as without it: not while a change is under way; and then it ends with the volume', async () => {
    await changing();
    const queued = (await cell.change({ sizeBytes: 512 * MIB })).change;
    expect(await refusalOf(askToDelete())).toBe('change-in-flight');
    for (const { id } of cell.cards) cell.scheduler.forgetCard(id);
    await finish();
    const waiting = await cell.changeNow(queued.changeId);
    expect(waiting).toMatchObject({ state: 'queued' });
    expect(waiting.waitingFor).toMatch(/^card card-\d: .*not known/);
    cell.showFleet();
    const { change } = await askToDelete();
    expect(change.kind).toBe('delete');
    expect(await cell.changeNow(queued.changeId)).toMatchObject({
      state: 'undone',
      problem: { code: 'superseded', facts: { changeId: change.changeId } },
    });
    await cell.settle();
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
    await expectNothingLeft(cell);
  });

  it('takes its place also when its turn has come and its card is not known', async () => {
    await changing();
    await cell.change({ stack: secret });
    for (const { id } of cell.cards) cell.scheduler.forgetCard(id);
    await finish();
    cell.showFleet();
    const { change } = await cell.change(gold);
    await finish();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ ...gold, stack: secret, queuedChangeId: null });
    expect(await poolsNow()).toEqual(['pool-2']);
  });
});
