import type { VolumePatch } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, SlowCard, succeed } from '../testing/fake-agents.js';
import { encrypted, MIB, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const limited = { iopsTotal: 500 };
const other = { iopsTotal: 900, bytesPerSecondTotal: 8 * MIB };
const encrypt: VolumePatch = { stack: { layers: [...encrypted.layers] } };

let cell: MemoryCell;
let slow: SlowCard;
beforeEach(async () => {
  cell = await MemoryCell.start();
  slow = new SlowCard();
  for (const card of cell.cards) card.play = slow.play;
  slow.isWorking = true;
  await cell.create({ qos: limited });
  slow.isWorking = false;
});

/** A swap that its card works on. */
async function swapping(patch: VolumePatch = encrypt) {
  const { change } = await cell.change(patch);
  await cell.settle();
  expect((await cell.changeNow(change.changeId)).state).toBe('applying');
  return change;
}

async function given() {
  const volume = await cell.volumeNow();
  const item = cell.cardOf(volume).items.get(volume.volumeId);
  if (!item) throw new Error('the card was given nothing');
  return item;
}

async function finish() {
  slow.isWorking = true;
  for (const card of cell.cards) await card.goOn();
  await cell.settle();
}

describe('limits that are asked for while a swap is under way', () => {
  it('are taken along by the change: a newer generation of the volume, and another operation of its card', async () => {
    const swap = await swapping();
    const before = await given();
    const { change, volume } = await cell.change({ qos: other });
    expect(change).toMatchObject({ changeId: swap.changeId, differences: ['stack', 'qos'], toGeneration: 3 });
    expect(volume).toMatchObject({ generation: 3, qos: other });
    await cell.settle();
    expect(await given()).toMatchObject({ amends: before.operationId, generation: 3, qos: other, stack: before.stack });
    await finish();
    const done = { state: 'ready', generation: 3, appliedGeneration: 3, settledGeneration: 3, qos: other };
    expect(await cell.volumeNow()).toMatchObject(done);
    expect((await cell.changeNow(swap.changeId)).state).toBe('settled');
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('are not applied by what the card says of the operation before', async () => {
    const swap = await swapping();
    const before = await given();
    await cell.change({ qos: null });
    const reply = await cell.cardOf(await cell.volumeNow()).say(cardReport(before, 'settled'));
    expect(reply.staleOperationIds).toEqual([before.operationId]);
    expect((await cell.changeNow(swap.changeId)).state).toBe('applying');
    await finish();
    expect(await cell.volumeNow()).toMatchObject({ settledGeneration: 3, qos: null });
  });

  it('are the last of several', async () => {
    await swapping();
    const before = await given();
    await cell.change({ qos: other });
    await cell.change({ qos: null });
    await cell.change({ qos: { iopsTotal: 77 } });
    await cell.settle();
    expect(await given()).toMatchObject({ amends: before.operationId, generation: 5, qos: { iopsTotal: 77 } });
    await finish();
    expect(await cell.volumeNow()).toMatchObject({ settledGeneration: 5, qos: { iopsTotal: 77 } });
  });

  it('are part of the plan that the card gets when it was given nothing of the change yet', async () => {
    for (const pool of cell.pools) pool.isAway = true;
    const { change: swap } = await cell.change(encrypt);
    await cell.change({ qos: other });
    const { change } = await cell.change({ qos: { iopsTotal: 77 } });
    expect(change).toMatchObject({ changeId: swap.changeId, state: 'preparing' });
    const limits = change.plan.steps.filter(({ step }) => step.kind.endsWith('-limits')).map(({ step }) => step);
    expect(limits).toMatchObject([
      { kind: 'widen-limits', from: limited },
      { kind: 'restore-limits', to: { iopsTotal: 77 } },
    ]);
    for (const pool of cell.pools) pool.isAway = false;
    await cell.settle();
    const item = await given();
    expect(item).toMatchObject({ qos: { iopsTotal: 77 }, plan: change.plan.card });
    expect(item).not.toHaveProperty('amends');
  });

  it('are asked of the card also after it has closed the old stack', async () => {
    const swap = await swapping();
    for (const pool of cell.pools) pool.isAway = true;
    await finish();
    expect((await cell.changeNow(swap.changeId)).state).toBe('retiring');
    const before = await given();
    await cell.change({ qos: other });
    for (const pool of cell.pools) pool.isAway = false;
    for (const card of cell.cards) card.isAway = true;
    await cell.settle();
    expect((await cell.changeNow(swap.changeId)).state).toBe('retiring');
    for (const card of cell.cards) card.isAway = false;
    await cell.settle();
    expect(await given()).toMatchObject({ amends: before.operationId, qos: other });
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', settledGeneration: 3, qos: other });
  });

  it('stay when the change that took them along is undone', async () => {
    const swap = await swapping();
    await cell.change({ qos: other });
    await cell.cancel(swap.changeId);
    await cell.settle();
    expect((await cell.changeNow(swap.changeId)).state).toBe('undone');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', qos: other, stack: { layers: [] } });
    expect(await given()).toMatchObject({ origin: 'healing', qos: other });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('hold what they take of card and pools at once, beside the copy, and give it back with it', async () => {
    await swapping();
    const [leg] = (await cell.volumeNow()).legs;
    const use = () => cell.fleet.pool(leg?.poolId ?? '')?.use;
    expect(use()).toMatchObject({ iops: 2 * (limited.iopsTotal + 16) });
    await cell.change({ qos: other });
    expect(use()).toMatchObject({ iops: 2 * (other.iopsTotal + 16) });
    await cell.change({ qos: { iopsTotal: 10 } });
    await finish();
    expect(use()).toMatchObject({ iops: 10 });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('are refused, with everything unchanged, where there is no room for them or they are based on an older volume', async () => {
    const swap = await swapping();
    const before = await given();
    expect(await refusalOf(cell.change({ qos: { iopsTotal: 5_000_000 } }))).toBe('no-placement');
    const old = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: 1, patch: { qos: other } };
    expect(await refusalOf(cell.scheduler.volumes.change(old))).toBe('stale-generation');
    expect(await cell.changeNow(swap.changeId)).toMatchObject({ toGeneration: 2, differences: ['stack'] });
    await cell.settle();
    expect(await given()).toEqual(before);
  });

  it('are shown by a dry run as the plan of the whole change with them, which changes nothing', async () => {
    await swapping();
    const asked = { ...reader, volume: 'vol-a', basedOnGeneration: 2, patch: { qos: other } };
    const plan = await cell.scheduler.volumes.planChange(asked);
    expect(plan.steps.filter(({ step }) => step.kind === 'widen-limits').map(({ step }) => step)).toMatchObject([
      { from: other },
    ]);
    expect(await cell.volumeNow()).toMatchObject({ generation: 2, qos: limited });
  });

  it('wait for their turn with everything else that is asked for, and behind what is taken back', async () => {
    const swap = await swapping();
    const both = await cell.change({ qos: other, sizeBytes: 512 * MIB });
    expect(both.change.state).toBe('queued');
    await cell.cancel(both.change.changeId);
    for (const pool of cell.pools) pool.isAway = true;
    await cell.settle();
    expect((await cell.changeNow(swap.changeId)).state).toBe('undoing');
    const limits = await cell.change({ qos: other });
    expect(limits.change.state).toBe('queued');
    for (const pool of cell.pools) pool.isAway = false;
    await cell.settle();
    await finish();
    expect((await cell.changeNow(limits.change.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).qos).toEqual(other);
  });

  it('wait under a pause like every other change where the card has cut over', async () => {
    const swap = await swapping();
    await cell.pause(null);
    const { cardId, volumeId } = await cell.volumeNow();
    const card = cell.cardOf({ cardId });
    card.play = succeed;
    await card.goOn();
    await cell.settle();
    expect((await cell.changeNow(swap.changeId)).state).toBe('retiring');
    const { change } = await cell.change({ qos: other });
    expect(change.state).toBe('queued');
    await cell.settle();
    expect(card.items.get(volumeId)).toMatchObject({ qos: limited });
    await cell.resume(null);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', qos: other });
  });

  it('are no part of the tombstone of a card that is left behind by a failover', async () => {
    const swap = await swapping();
    await cell.change({ qos: other });
    await cell.cancel(swap.changeId);
    await cell.settle();
    const { cardId, volumeId } = await cell.volumeNow();
    cell.loseCard(cardId);
    await cell.failover();
    cell.cardReturns(cardId);
    await cell.settle();
    const left = cell.cardOf({ cardId }).items.get(volumeId);
    expect(left).toMatchObject({ tombstone: true });
    expect(left).not.toHaveProperty('amends');
  });
});
