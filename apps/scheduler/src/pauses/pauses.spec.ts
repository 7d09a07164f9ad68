import { beforeEach, describe, expect, it } from 'vitest';
import { aCard, aSpec, fleetOperator, operator } from '../testing/fixtures.js';
import { cardReport, SlowCard } from '../testing/fake-agents.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });

describe('a change of what is paused', () => {
  it('is accepted and waits, saying by whom and since when, and goes on once resumed', async () => {
    await cell.create(toPool('pool-1'));
    await cell.pause(null);
    cell.nowMs += 60_000;
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'preparing',
      steps: [],
      waitingFor: 'paused by bob since 1970-01-01T00:16:40.000Z (the fleet)',
      waitingSinceMs: cell.nowMs,
      paused: { cardId: null, by: 'bob', sinceMs: 1_000_000 },
    });
    for (const pool of cell.pools) expect(pool.items.size).toBeLessThanOrEqual(1);
    await cell.resume(null);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', waitingFor: null, paused: null });
    await expectNothingLeft(cell);
  });

  it('is held for its card alone when that card is paused, also after a restart of the scheduler', async () => {
    const one = await cell.create({ name: 'vol-a', placement: { cardId: 'card-1' } });
    await cell.create({ name: 'vol-b', placement: { cardId: 'card-2' } });
    await cell.pause(one.cardId);
    await cell.restart();
    const held = await cell.change({ qos: { iopsTotal: 5 } }, 'vol-a');
    const free = await cell.change({ qos: { iopsTotal: 5 } }, 'vol-b');
    await cell.settle();
    expect((await cell.changeNow(held.change.changeId)).state).toBe('preparing');
    expect((await cell.changeNow(free.change.changeId)).state).toBe('settled');
    await cell.restart();
    await cell.resume(one.cardId);
    await cell.settle();
    expect((await cell.changeNow(held.change.changeId)).state).toBe('settled');
  });

  it('is told to the card that works on it, under its operation, and again when it may go on', async () => {
    const volume = await cell.create(toPool('pool-1'));
    const card = cell.cardOf(volume);
    const slow = new SlowCard();
    card.play = slow.play;
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    const before = card.items.get(volume.volumeId);
    await cell.pause(volume.cardId);
    await cell.settle();
    expect(card.items.get(volume.volumeId)).toMatchObject({ operationId: before?.operationId, paused: true });
    expect((await cell.changeNow(change.changeId)).waitingFor).toBe(
      `card ${volume.cardId}: to be resumed; paused by bob since 1970-01-01T00:16:40.000Z (card ${volume.cardId})`,
    );
    slow.isWorking = true;
    await card.goOn();
    expect((await cell.changeNow(change.changeId)).state).toBe('applying');
    await cell.resume(volume.cardId);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
  });

  it('destroys nothing while it is paused, although its cut-over is completed', async () => {
    const volume = await cell.create(toPool('pool-1'));
    const card = cell.cardOf(volume);
    card.play = (item) => [cardReport(item, 'working')];
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    await cell.pause(null);
    card.play = (item) => [cardReport(item, 'applied'), cardReport(item, 'settled')];
    await card.goOn();
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('retiring');
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1', 'pool-2']);
    await cell.resume(null);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    await expectNothingLeft(cell);
  });

  it('can be cancelled, also a deletion, and labels are none of anybody’s steps', async () => {
    const volume = await cell.create();
    await cell.pause(null);
    const { change } = await cell.scheduler.volumes.delete({
      ...cell.asked(),
      volume: 'vol-a',
      basedOnGeneration: volume.generation,
    });
    await cell.cancel(change.changeId);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('undone');
    const labels = await cell.change({ labels: { tier: 'gold' } });
    expect(labels.change.state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', labels: { tier: 'gold' } });
    await expectNothingLeft(cell);
  });

  it('is not a failover: that is how a volume gets its I/O back', async () => {
    const volume = await cell.create();
    cell.cardOf(volume).isAway = true;
    const gone = { state: 'unreachable' as const, unreachableSinceMs: cell.nowMs };
    cell.scheduler.hearCardSnapshot({ ...aCard(volume.cardId), ...gone });
    await cell.pause(null);
    const { change } = await cell.failover();
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
  });
});

describe('a pause', () => {
  it('is kept by who set it first, shown, told once, and lifted', async () => {
    await cell.pause('card-2');
    cell.nowMs += 1_000;
    await cell.pause(null);
    expect(await cell.pause('card-2')).toEqual({
      items: [
        { cardId: null, by: 'bob', sinceMs: 1_001_000 },
        { cardId: 'card-2', by: 'bob', sinceMs: 1_000_000 },
      ],
    });
    expect((await cell.resume(null)).items.map(({ cardId }) => cardId)).toEqual(['card-2']);
    await cell.resume(null);
    expect((await cell.resume('card-2')).items).toEqual([]);
    expect(cell.store.takeEvents().map(({ kind, id, what, by }) => `${kind} ${id} ${what} ${by}`)).toEqual([
      'card card-2 paused bob',
      'service scheduler paused bob',
      'service scheduler resumed bob',
      'card card-2 resumed bob',
    ]);
  });

  it('is of a card that there is, and not for viewers or tenants', async () => {
    expect(await refusalOf(cell.pause('card-9'))).toBe('not-found');
    const ask = (caller: typeof operator) => cell.scheduler.pauses.pause({ v: 1, caller, cardId: null });
    expect(await refusalOf(ask(operator))).toBe('forbidden');
    expect(await refusalOf(ask({ ...fleetOperator, role: 'viewer' }))).toBe('forbidden');
    expect((await cell.scheduler.pauses.list({ v: 1, caller: operator })).items).toEqual([]);
  });

  it('holds a creation from its first step on', async () => {
    await cell.pause(null);
    const { volume, change } = await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
    await cell.settle();
    expect(cell.pools.every(({ items }) => items.size === 0)).toBe(true);
    await cell.resume(null);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', volumeId: volume.volumeId });
  });
});
