import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, aSpec, encrypted, MIB } from '../testing/fixtures.js';
import { cardReport, SlowCard } from '../testing/fake-agents.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

let cell: MemoryCell;
let slow: SlowCard;
beforeEach(async () => {
  cell = await MemoryCell.start();
  slow = new SlowCard();
});

const away = (isAway: boolean) => {
  for (const pool of cell.pools) pool.isAway = isAway;
};
const hesitate = () => {
  for (const card of cell.cards) card.play = slow.play;
};
const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });

describe('a change that is cancelled', () => {
  it('while pools make its legs is taken back at once, and what pools hold for it goes by their reports', async () => {
    await cell.create(toPool('pool-1'));
    away(true);
    const { change } = await cell.change({ ...toPool('pool-2'), stack: { layers: [...encrypted.layers] } });
    const asked = await cell.cancel(change.changeId);
    expect(asked).toMatchObject({
      state: 'undoing',
      problem: { code: 'cancelled', detail: 'alice cancelled it before its cut-over' },
      cancel: { by: 'alice', outcome: null },
    });
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1', 'pool-2']);
    away(false);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', cancel: { outcome: 'undone' } });
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1']);
    await expectNothingLeft(cell);
  });

  it('on its card is wished under the same operation, and undone when the card says so', async () => {
    const volume = await cell.create(toPool('pool-1'));
    hesitate();
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    const before = cell.cardOf(volume).items.get(volume.volumeId);
    const asked = await cell.cancel(change.changeId);
    expect(asked).toMatchObject({ state: 'applying', cancel: { by: 'alice', outcome: null } });
    await cell.cardOf(volume).catchUp();
    const undone = cell.cardOf(volume).reports.find(({ phase }) => phase === 'undone');
    expect(undone?.operationId).toBe(before?.operationId);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'undone',
      problem: { code: 'cancelled' },
      cancel: { outcome: 'undone' },
    });
    await expectNothingLeft(cell);
    const events = cell.store.takeEvents().filter(({ id }) => id === change.changeId);
    expect(events.map(({ what, by }) => `${what} ${by}`)).toEqual(
      expect.arrayContaining(['cancel-asked alice', `undoing card ${volume.cardId}`]),
    );
  });

  it('is completed where its card had cut over meanwhile, and says that the cancel was too late', async () => {
    const volume = await cell.create(toPool('pool-1'));
    const card = cell.cardOf(volume);
    card.play = (item) => [cardReport(item, 'working')];
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    // It cuts over, and the cancel is committed before its report arrives.
    await cell.cancel(change.changeId);
    const given = card.items.get(volume.volumeId);
    if (!given) throw new Error('the card was given the change');
    await card.say(cardReport(given, 'applied'));
    card.play = (item) => [cardReport(item, 'applied'), cardReport(item, 'settled')];
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'settled',
      problem: null,
      cancel: { by: 'alice', outcome: 'cut-over-passed' },
    });
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
    expect(cell.store.takeEvents().some(({ what }) => what === 'cancel-too-late')).toBe(true);
    await expectNothingLeft(cell);
  });

  it('survives a restart of the scheduler, and is asked for once however often it is asked', async () => {
    const volume = await cell.create();
    hesitate();
    const { change } = await cell.change({ qos: { iopsTotal: 5 } });
    await cell.settle();
    const request = { ...cell.asked(), changeId: change.changeId };
    const first = await cell.scheduler.changes.cancel(request);
    await cell.restart();
    expect(await cell.scheduler.changes.cancel(request)).toEqual(first);
    await cell.cancel(change.changeId);
    expect(cell.store.takeEvents().filter(({ what }) => what === 'cancel-asked')).toHaveLength(1);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('undone');
    expect((await cell.volumeNow()).qos).toBeNull();
    expect(cell.cardOf(volume).items.get(volume.volumeId)?.cancelled).toBeUndefined();
  });

  it('leaves a creation as failed, to be deleted', async () => {
    away(true);
    const { change } = await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
    await cell.cancel(change.changeId);
    away(false);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'failed', legs: [] });
    const { generation } = await cell.volumeNow();
    await cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation });
    await cell.settle();
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
    await expectNothingLeft(cell);
  });

  it('leaves the volume free for another change, and a leg that was to grow where it is as it was', async () => {
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
    await cell.create(toPool('pool-1'));
    await cell.pause(null);
    const { change } = await cell.change({ sizeBytes: 512 * MIB });
    await cell.cancel(change.changeId);
    await cell.resume(null);
    await cell.settle();
    expect((await cell.volumeNow()).legs).toMatchObject([{ sizeBytes: 256 * MIB }]);
    const again = await cell.change({ sizeBytes: 512 * MIB });
    expect(again.change.plan.steps.map(({ step }) => step.kind)).toEqual(['grow-leg', 'grow-head']);
    await cell.settle();
    expect((await cell.volumeNow()).legs).toMatchObject([{ sizeBytes: 512 * MIB }]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});

describe('a cancel', () => {
  it('is refused for what is over, has cut over, or has no way back, with a code for each', async () => {
    const volume = await cell.create(toPool('pool-1'));
    expect(await refusalOf(cell.cancel(volume.changeId ?? ''))).toBe('change-over');
    expect(await refusalOf(cell.cancel('chg-0000000000'))).toBe('not-found');
    const card = cell.cardOf(volume);
    card.play = (item) => [cardReport(item, 'applied')];
    const { change } = await cell.change(toPool('pool-2'));
    expect(await refusalOf(cell.cancel(volume.changeId ?? ''))).toBe('change-over');
    await cell.settle();
    expect(await refusalOf(cell.cancel(change.changeId))).toBe('cut-over-passed');
    expect((await cell.changeNow(change.changeId)).cancel).toBeNull();
  });

  it('is refused for a deletion, and for a growth in place, that the card was told of', async () => {
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
    const volume = await cell.create(toPool('pool-1'));
    cell.cardOf(volume).isAway = true;
    const { change } = await cell.change({ sizeBytes: 512 * MIB });
    await cell.settle();
    expect(await refusalOf(cell.cancel(change.changeId))).toBe('cut-over-passed');
    cell.cardOf(volume).isAway = false;
    await cell.settle();
    cell.cardOf(volume).isAway = true;
    const { generation } = await cell.volumeNow();
    const gone = await cell.scheduler.volumes.delete({
      ...cell.asked(),
      volume: 'vol-a',
      basedOnGeneration: generation,
    });
    expect(await refusalOf(cell.cancel(gone.change.changeId))).toBe('cut-over-passed');
  });

  it('is not for viewers, nor for another tenant', async () => {
    const { changeId } = await cell.create();
    const ask = (caller: { role: 'viewer' | 'operator'; tenantId: string }) =>
      cell.scheduler.changes.cancel({ ...cell.asked(), caller: { name: 'eve', ...caller }, changeId: changeId ?? '' });
    expect(await refusalOf(ask({ role: 'viewer', tenantId: 'acme' }))).toBe('forbidden');
    expect(await refusalOf(ask({ role: 'operator', tenantId: 'other' }))).toBe('not-found');
  });
});
