import type { Change, VolumePatch } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, failWith, legReport, serve, SlowCard, succeed } from '../testing/fake-agents.js';
import { aPool, encrypted, MIB } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const larger = { sizeBytes: 512 * MIB };
const mirror = { kind: 'raid1' as const, legCount: 3, safeRead: false };
const mirrored = { layers: [mirror] };
const secretMirror = { layers: [...encrypted.layers, mirror] };

const kindsOf = ({ plan }: Change) => plan.steps.map(({ step }) => step.kind);
const cutOversOf = ({ plan }: Change) => plan.steps.filter(({ cutOver }) => cutOver).length;

/** Lets the agents go on until the second stage is under way. */
async function untilSecondStage(changeId: string): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    if ((await cell.volumeNow()).stack.layers.length > 0 && (await cell.changeNow(changeId)).appliedAtMs !== null)
      return;
    for (const agent of [...cell.pools, ...cell.cards]) await agent.catchUp();
  }
  throw new Error('the second stage did not begin');
}

describe('a volume on a stack that cannot become larger', () => {
  it.each([
    { name: 'a mirror', stack: mirrored, legs: 3, lacks: ['redundancy'] },
    { name: 'an encrypted mirror', stack: secretMirror, legs: 3, lacks: ['redundancy'] },
  ])('grows in one change by way of one leg: $name', async ({ stack, legs, lacks }) => {
    await cell.create({ stack: { layers: [...stack.layers] } });
    const before = await cell.volumeNow();
    const { change } = await cell.change(larger);
    expect(change).toMatchObject({
      differences: ['size'],
      fromGeneration: 1,
      toGeneration: 3,
      plan: { grows: 'window', lacks, guestFeels: 'its device becomes larger' },
    });
    expect(cutOversOf(change)).toBe(2);
    const second = change.plan.steps.slice(change.plan.secondStageAt ?? 0);
    expect(second.filter(({ step }) => step.kind === 'create-leg')).toHaveLength(legs);
    await cell.settle();
    const ended = await cell.changeNow(change.changeId);
    expect(ended).toMatchObject({ state: 'settled', problem: null });
    const grown = await cell.volumeNow();
    expect(grown).toMatchObject({
      ...larger,
      state: 'ready',
      stack: before.stack,
      generation: 3,
      settledGeneration: 3,
    });
    expect(grown.legs).toHaveLength(legs);
    expect(grown.legs.every(({ current, state }) => current && state === 'ready')).toBe(true);
    expect(grown.keyRef === null).toBe(before.keyRef === null);
    expect(grown.legs.map(({ poolId }) => poolId).toSorted()).toEqual(
      before.legs.map(({ poolId }) => poolId).toSorted(),
    );
    await expectNothingLeft(cell);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('takes no limits along in its first stage: the plan of the second was made with those of then', async () => {
    await cell.create({ stack: mirrored });
    const { change } = await cell.change(larger);
    const limits = await cell.change({ qos: { iopsTotal: 500 } });
    expect(limits.change.state).toBe('queued');
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', differences: ['size'] });
    expect(await cell.volumeNow()).toMatchObject({ ...larger, qos: { iopsTotal: 500 } });
  });

  it('gives its card each stage by the plan that was shown of it, and nothing of the second before the first is settled', async () => {
    const volume = await cell.create({ stack: mirrored });
    const card = cell.cardOf(volume);
    const given: [number, string[]][] = [];
    card.play = (item) => {
      given.push([item.sizeBytes, item.stack.layers.map(({ kind }) => kind)]);
      return succeed(item);
    };
    await cell.change(larger);
    await cell.settle();
    expect(given).toEqual([
      [larger.sizeBytes, []],
      [larger.sizeBytes, ['raid1']],
    ]);
  });

  it('grows where it is first, when its leg can, and is mirrored then', async () => {
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    const { change } = await cell.change({
      ...larger,
      stack: mirrored,
      placement: { poolIds: ['pool-1', 'pool-2', 'pool-3'] },
    });
    expect(kindsOf(change).slice(0, 2)).toEqual(['grow-leg', 'grow-head']);
    expect(cutOversOf(change)).toBe(1);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: mirrored, state: 'ready' });
    await expectNothingLeft(cell);
  });

  it('changes its limits and its pools with it', async () => {
    await cell.create({ stack: mirrored, qos: { iopsTotal: 100 } });
    const patch: VolumePatch = { ...larger, qos: { iopsTotal: 900 }, stack: secretMirror, labels: { tier: 'gold' } };
    await cell.change(patch);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ ...patch, state: 'ready' });
    await expectNothingLeft(cell);
  });

  it('goes on when the scheduler dies between any two answers', async () => {
    await cell.create({ stack: secretMirror });
    const { change } = await cell.change(larger);
    for (let round = 0; round < 12; round += 1)
      for (const agent of [...cell.pools, ...cell.cards]) {
        await cell.restart();
        await agent.catchUp();
      }
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    await expectNothingLeft(cell);
  });

  it('is refused, with nothing changed, where it is to be redundant at all times, or there is no room', async () => {
    await cell.create({ stack: mirrored, alwaysRedundant: true });
    await expect(cell.change(larger)).rejects.toThrow('absent from the first cut-over to the second');
    await cell.change({ alwaysRedundant: false });
    for (const { id } of cell.pools) cell.scheduler.hearPoolSnapshot(aPool(id, { capacityBytes: 700 * MIB }));
    expect(await refusalOf(cell.change(larger))).toBe('pool-full');
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, state: 'ready' });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});

describe('when something fails', () => {
  it('in the first stage, everything is as it was', async () => {
    const volume = await cell.create({ stack: secretMirror });
    const before = await cell.volumeNow();
    cell.cardOf(volume).play = failWith({ code: 'data-plane-failed', detail: 'the copy met a read error' });
    const { change } = await cell.change(larger);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone' });
    expect(await cell.volumeNow()).toMatchObject({
      sizeBytes: 256 * MIB,
      stack: before.stack,
      state: 'ready',
      legs: before.legs,
      keyRef: before.keyRef,
    });
    await expectNothingLeft(cell);
  });

  it('in the second stage, the volume has grown and is on one leg, says so, and can be mirrored again', async () => {
    const volume = await cell.create({ stack: secretMirror });
    const card = cell.cardOf(volume);
    card.play = (item) =>
      item.stack.layers.length > 1 && item.sizeBytes === larger.sizeBytes
        ? failWith({ code: 'data-plane-failed', detail: 'the copy met a read error' })(item)
        : succeed(item);
    const { change } = await cell.change(larger);
    await cell.settle();
    const ended = await cell.changeNow(change.changeId);
    expect(ended).toMatchObject({ state: 'undone', problem: { code: 'data-plane-failed' } });
    expect(ended.problem?.detail).toContain('has grown to 536870912 bytes and is carried by one leg');
    expect(ended.problem?.detail).toContain('the copy met a read error');
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: encrypted, state: 'ready' });
    await expectNothingLeft(cell);
    card.play = succeed;
    await cell.change({ stack: secretMirror });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: secretMirror, state: 'ready' });
    await expectNothingLeft(cell);
  });

  it('by a pool that cannot make a leg of the second stage, likewise', async () => {
    await cell.create({ stack: mirrored });
    const [, late] = cell.pools;
    const { change } = await cell.change(larger);
    const problem = { code: 'step-failed' as const, detail: 'the disk is full' };
    if (late)
      late.play = (item) =>
        item.sizeBytes === larger.sizeBytes && !item.tombstone && item.role === 'preparing'
          ? [{ ...legReport(item, 'failed'), problem }]
          : serve(item);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone' });
    await expectNothingLeft(cell);
  });

  it('is cancelled in the first stage, it is undone whole; in the second, to where that begins', async () => {
    await cell.create({ stack: mirrored });
    const first = await cell.change(larger);
    await cell.cancel(first.change.changeId);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, stack: mirrored, state: 'ready' });
    await expectNothingLeft(cell);
    const second = await cell.change(larger);
    await untilSecondStage(second.change.changeId);
    await cell.cancel(second.change.changeId);
    await cell.settle();
    expect(await cell.changeNow(second.change.changeId)).toMatchObject({
      state: 'undone',
      cancel: { outcome: 'undone' },
      problem: { code: 'cancelled', detail: expect.stringContaining('is carried by one leg') },
    });
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: { layers: [] }, state: 'ready' });
    await expectNothingLeft(cell);
  });
});

/** The first stage is cancelled when its card has cut over already; the second is left open. */
async function inSecondStage(lateWish: (changeId: string) => Promise<unknown>) {
  const volume = await cell.create({ stack: mirrored });
  const card = cell.cardOf(volume);
  const slow = new SlowCard();
  card.play = (item) => (item.origin === 'person' ? [cardReport(item, 'working')] : succeed(item));
  const { change } = await cell.change(larger);
  await cell.settle();
  await lateWish(change.changeId);
  const first = card.items.get(volume.volumeId);
  if (!first) throw new Error('the card was given nothing');
  for (const report of succeed(first)) await card.say(report);
  card.play = slow.play;
  await cell.settle();
  return { changeId: change.changeId, card, slow };
}

describe('a growth by way of one leg whose first stage was cancelled too late', () => {
  it('is taken back in the second by another cancel', async () => {
    const { changeId } = await inSecondStage((id) => cell.cancel(id));
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'applying', cancel: null });
    expect(await cell.cancel(changeId)).toMatchObject({ cancel: { by: 'alice', outcome: null } });
    await cell.settle();
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'undone', cancel: { outcome: 'undone' } });
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: { layers: [] }, state: 'ready' });
    await expectNothingLeft(cell);
  });

  it('takes limits along in the second, and gives way to a newer wish', async () => {
    const { changeId } = await inSecondStage((id) => cell.cancel(id));
    expect((await cell.change({ qos: { iopsTotal: 77 } })).change.changeId).toBe(changeId);
    const { change } = await cell.change({ stack: { layers: [...encrypted.layers] } });
    expect((await cell.changeNow(changeId)).cancel).not.toBeNull();
    await cell.settle();
    expect((await cell.changeNow(changeId)).state).toBe('undone');
    for (const card of cell.cards) card.play = succeed;
    for (const card of cell.cards) await card.goOn();
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: encrypted, qos: { iopsTotal: 77 } });
    await expectNothingLeft(cell);
  });

  it('is followed by the wish alone to which its first stage did not give way', async () => {
    let queued = '';
    const { changeId, slow, card } = await inSecondStage(async () => {
      queued = (await cell.change({ stack: { layers: [...encrypted.layers] } })).change.changeId;
    });
    await cell.cancel(changeId);
    slow.isWorking = true;
    await cell.settle();
    await card.goOn();
    await cell.settle();
    expect((await cell.changeNow(changeId)).state).toBe('undone');
    expect(await cell.changeNow(queued)).toMatchObject({ state: 'settled', differences: ['stack'] });
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: encrypted });
    await expectNothingLeft(cell);
  });
});

it('each of the card’s steps is booked at its place in the whole plan, in both stages', async () => {
  const volume = await cell.create({ stack: mirrored });
  const card = cell.cardOf(volume);
  card.play = (item) => {
    const stage = item.stack.layers.length === 0 ? 0 : 1;
    const kind = 'open-leg';
    const step = { index: 0, kind, outcome: 'done' as const, startedAtMs: stage, endedAtMs: stage };
    return succeed(item).map((report) => ({ ...report, steps: [step] }));
  };
  const { change } = await cell.change(larger);
  await cell.settle();
  const places = change.plan.steps.flatMap(({ step, actor }, index) =>
    actor.role === 'card' && step.kind === 'open-leg' ? [index] : [],
  );
  const { steps } = await cell.changeNow(change.changeId);
  const booked = steps.filter(({ kind }) => kind === 'open-leg').map(({ index }) => index);
  expect(booked).toEqual([places[0], places[1]]);
});

it('a report of the first stage’s operation changes nothing in the second', async () => {
  const volume = await cell.create({ stack: mirrored });
  const card = cell.cardOf(volume);
  const { change } = await cell.change(larger);
  let firstItem: Parameters<typeof succeed>[0] | null = null;
  card.play = (item) => {
    firstItem ??= item;
    return succeed(item);
  };
  await untilSecondStage(change.changeId);
  if (firstItem === null) throw new Error('the card was given nothing');
  await card.say(cardReport(firstItem, 'settled'));
  expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'preparing' });
  await cell.settle();
  expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
});
