import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, encrypted, MIB } from '../testing/fixtures.js';
import { SlowCard } from '../testing/fake-agents.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

let cell: MemoryCell;
let slow: SlowCard;
beforeEach(async () => {
  cell = await MemoryCell.start();
  slow = new SlowCard();
});

const stack = { layers: [...encrypted.layers] };
const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });
const hesitate = () => {
  slow.isWorking = false;
  for (const card of cell.cards) card.play = slow.play;
};
/** Cards learn what is new, and then come to the end of what they do. */
const goOn = async () => {
  await cell.settle();
  slow.isWorking = true;
  for (const card of cell.cards) await card.goOn();
  await cell.settle();
};

/** A volume on pool-1 whose card is copying it to pool-2. */
async function moving(patch: Parameters<MemoryCell['change']>[0] = toPool('pool-2')) {
  await cell.create(toPool('pool-1'));
  hesitate();
  const { change } = await cell.change(patch);
  await cell.settle();
  expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'applying' });
  return change;
}

describe('what is wanted of a volume while a change is under way', () => {
  it('takes that back, and begins under its own id when it is over, with what both had wanted', async () => {
    const first = await moving();
    const { volume, change } = await cell.change({ stack });
    expect(change).toMatchObject({ state: 'queued', differences: ['stack'], plan: { steps: [] } });
    expect(change.waitingFor).toBe(`change ${first.changeId} of the volume to be over`);
    expect(volume).toMatchObject({ changeId: first.changeId, queuedChangeId: change.changeId });
    expect(await cell.changeNow(first.changeId)).toMatchObject({ state: 'applying', cancel: { by: 'alice' } });
    await goOn();
    expect(await cell.changeNow(first.changeId)).toMatchObject({ state: 'undone', problem: { code: 'cancelled' } });
    const done = await cell.changeNow(change.changeId);
    expect(done).toMatchObject({ state: 'settled', createdAtMs: change.createdAtMs });
    expect(done.differences.toSorted()).toEqual(['pools', 'stack']);
    expect(done.plan.steps.length).toBeGreaterThan(0);
    const now = await cell.volumeNow();
    expect(now).toMatchObject({ state: 'ready', stack, changeId: change.changeId, queuedChangeId: null });
    expect(now.legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
    await expectNothingLeft(cell);
    const events = cell.store.takeEvents().filter(({ id }) => id === change.changeId);
    expect(events.map(({ what }) => what).slice(0, 2)).toEqual(['queued', 'planned']);
  });

  it('is right where both name the same thing', async () => {
    await moving();
    const { change } = await cell.change(toPool('pool-3'));
    await goOn();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-3']);
    await expectNothingLeft(cell);
  });

  it('waits where it needs no other stack or size, and nothing is taken back for it', async () => {
    const first = await moving();
    const { change } = await cell.change({ labels: { tier: 'gold' } });
    expect((await cell.changeNow(first.changeId)).cancel).toBeNull();
    await goOn();
    expect((await cell.changeNow(first.changeId)).state).toBe('settled');
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    const now = await cell.volumeNow();
    expect(now.labels).toEqual({ tier: 'gold' });
    expect(now.legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
  });

  it('waits for what has passed its cut-over, and goes on from there', async () => {
    const first = await moving();
    for (const pool of cell.pools) pool.isAway = true;
    await goOn();
    expect((await cell.changeNow(first.changeId)).state).toBe('retiring');
    const { change } = await cell.change({ stack });
    expect((await cell.changeNow(first.changeId)).cancel).toBeNull();
    for (const pool of cell.pools) pool.isAway = false;
    await goOn();
    expect((await cell.changeNow(first.changeId)).state).toBe('settled');
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', differences: ['stack'] });
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
    await expectNothingLeft(cell);
  });

  it('asks for no key twice where a re-key gave way to it, and for another where it asks for one', async () => {
    await cell.create({ ...toPool('pool-1'), stack });
    hesitate();
    const before = (await cell.volumeNow()).keyRef ?? '';
    await cell.change({ rekey: { from: before } });
    await cell.settle();
    const { change } = await cell.change(toPool('pool-2'));
    await goOn();
    expect((await cell.changeNow(change.changeId)).differences.toSorted()).toEqual(['key', 'pools']);
    const between = (await cell.volumeNow()).keyRef ?? '';
    expect(between).not.toBe(before);
    hesitate();
    await cell.change(toPool('pool-3'));
    await cell.settle();
    const { keyRef } = await cell.volumeNow();
    const again = await cell.change({ rekey: { from: keyRef ?? '' } });
    await goOn();
    expect((await cell.changeNow(again.change.changeId)).differences.toSorted()).toEqual(['key', 'pools']);
    expect((await cell.volumeNow()).keyRef).not.toBe(between);
  });

  it('wants nothing of what was cancelled before', async () => {
    const first = await moving();
    await cell.cancel(first.changeId);
    const { change } = await cell.change({ stack });
    await goOn();
    expect((await cell.changeNow(change.changeId)).differences).toEqual(['stack']);
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1']);
  });

  it('is begun after a restart of the scheduler as well', async () => {
    await moving();
    const { change } = await cell.change({ stack });
    await cell.restart();
    await goOn();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).stack).toEqual(stack);
  });

  it('is begun by a later look where its card could not be told when its turn came', async () => {
    await moving();
    const { change } = await cell.change({ stack });
    cell.scheduler.forgetCard('card-1');
    cell.scheduler.forgetCard('card-2');
    await goOn();
    expect((await cell.changeNow(change.changeId)).state).toBe('queued');
    cell.showFleet();
    await cell.scheduler.followUps.look();
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
  });
});

describe('a queued change', () => {
  it('is cancelled at once, and nothing of it is done', async () => {
    const first = await moving();
    const { volume, change } = await cell.change({ labels: { tier: 'gold' } });
    expect(await cell.cancel(change.changeId)).toMatchObject({
      state: 'undone',
      waitingFor: null,
      problem: { code: 'cancelled' },
      cancel: { by: 'alice', outcome: 'undone' },
    });
    expect(await refusalOf(cell.cancel(change.changeId))).toBe('change-over');
    expect(await cell.volumeNow()).toMatchObject({ queuedChangeId: null, generation: volume.generation });
    await goOn();
    expect((await cell.changeNow(first.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).labels).toEqual({});
  });

  it('that cannot be begun when its turn comes is refused with the reason', async () => {
    await moving();
    const { change } = await cell.change({ sizeBytes: 512 * MIB, ...toPool('pool-3') });
    cell.scheduler.hearPoolSnapshot({ ...aPool('pool-3'), state: 'unreachable', unreachableSinceMs: cell.nowMs });
    await goOn();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'refused',
      problem: { code: 'no-placement' },
    });
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', queuedChangeId: null });
    await expectNothingLeft(cell);
  });

  it('is not made of what could not be, of another generation, or of an accepted plan', async () => {
    const first = await moving();
    const { generation } = await cell.volumeNow();
    const ask = (more: object, patch = {}) =>
      refusalOf(
        cell.scheduler.volumes.change({
          ...cell.asked(),
          volume: 'vol-a',
          basedOnGeneration: generation,
          patch: { stack, ...patch },
          ...more,
        }),
      );
    expect(await ask({}, { sizeBytes: 4 * MIB })).toBe('change-refused');
    expect(await ask({ basedOnGeneration: generation - 1 })).toBe('stale-generation');
    expect(await ask({ planDigest: first.plan.digest })).toBe('change-in-flight');
    const planned = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation, patch: { stack } };
    expect(await refusalOf(cell.scheduler.volumes.planChange(planned))).toBe('change-in-flight');
    expect(await cell.changeNow(first.changeId)).toMatchObject({ state: 'applying', cancel: null });
    expect((await cell.volumeNow()).queuedChangeId).toBeNull();
  });

  it('waits for nothing but a change: what is made or deleted is not followed', async () => {
    for (const pool of cell.pools) pool.isAway = true;
    await cell.create(toPool('pool-1'));
    expect(await refusalOf(cell.change({ stack }))).toBe('change-in-flight');
  });
});
