import type { DesiredVolume, QosLimits } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { acceptedPlanOf, expectedObservation, isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';
import { FaultyPlane } from '../testing/step-faults.js';
import { Trigger } from '../testing/trigger.js';

const encrypted: Wish = { newStack: true, layers: [{ kind: 'encryption' }] };
const limited = { iopsTotal: 500 };
const other = { iopsTotal: 900, bytesPerSecondRead: 1024 ** 2 };

/** Limits before the swap, and those that are asked for while it runs. */
const cases: readonly { name: string; before: QosLimits | null; asked: QosLimits | null }[] = [
  { name: 'changed', before: limited, asked: other },
  { name: 'lifted', before: limited, asked: null },
  { name: 'set where there were none', before: null, asked: other },
];

async function swapping(qos: QosLimits | null): Promise<{ card: CardFixture; swap: DesiredVolume; written: number }> {
  const card = new CardFixture();
  await card.start();
  await card.settle({ qos });
  const written = card.card.guestWrites(VOLUME_ID);
  const swap = await card.want(encrypted);
  await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
  return { card, swap, written };
}

describe('limits that are asked for while a copy runs', () => {
  it.each(cases)('hold at once, with the copy going on where it was: $name', async ({ before, asked }) => {
    const { card, swap, written } = await swapping(before);
    const startedAtMs = card.card.copyOf(VOLUME_ID)?.startedAtMs;
    const amended = await card.amend(asked);
    await card.clock.runUntil('they hold', () => JSON.stringify(card.observed().head?.qos) === JSON.stringify(asked));
    expect(card.observed()).toMatchObject({ head: { widened: asked !== null }, copy: { state: 'running' } });
    expect(card.card.copyOf(VOLUME_ID)?.startedAtMs).toBe(startedAtMs);
    await card.untilSaid(amended, 'settled');
    expect(isSettled(card.observed(), plannedVolumeOf(amended))).toBe(true);
    expect(card.scheduler.said(amended.operationId)?.closedLegIds).toEqual(['leg-0000000010']);
    expect(['settled', 'undone']).not.toContain(card.scheduler.said(swap.operationId)?.phase);
    expect(card.card.guestReads(VOLUME_ID)).toBe(written);
  });

  it('are the last of several', async () => {
    const { card } = await swapping(limited);
    await card.amend(other);
    await card.amend(null);
    const last = await card.amend({ iopsTotal: 77 });
    await card.untilSaid(last, 'settled');
    expect(card.observed().head).toMatchObject({ qos: { iopsTotal: 77 }, widened: false });
  });

  it('end with the change when that is cancelled or has failed, under the name of the newest operation', async () => {
    const { card } = await swapping(limited);
    const amended = await card.amend(other);
    await card.scheduler.want(VOLUME_ID, { ...amended, cancelled: true });
    await card.untilSaid(amended, 'undone');
    expect(card.scheduler.said(amended.operationId)).toMatchObject({
      problem: { code: 'cancelled' },
      closedLegIds: amended.stack.legs.map(({ legId }) => legId),
    });
    expect(card.observed()).toMatchObject({ head: { widened: false, stackGeneration: 1 }, copy: null });
  });

  it.each(cases)('are in force when the change is cancelled after that: $name', async ({ before, asked }) => {
    const { card } = await swapping(before);
    const amended = await card.amend(asked);
    await card.clock.runUntil('they hold', () => JSON.stringify(card.observed().head?.qos) === JSON.stringify(asked));
    await card.scheduler.want(VOLUME_ID, { ...amended, cancelled: true });
    await card.untilSaid(amended, 'undone');
    expect(card.observed().head).toMatchObject({ qos: asked, widened: false, stackGeneration: 1 });
    card.card.kill(VOLUME_ID);
    await card.clock.runUntil('it is built again', () => card.observed().head !== null);
    expect(card.observed().head).toMatchObject({ qos: asked, widened: false, stackGeneration: 1 });
  });

  it('come into force after a change that had settled, however often setting them fails', async () => {
    const card = new CardFixture();
    const plane = new FaultyPlane(1, 'fails-for-good', card.clock);
    await card.start(new Fuse(), plane);
    await card.settle({ qos: limited });
    await card.settle(encrypted);
    plane.isArmed = true;
    const amended = await card.amend(other);
    await card.untilSaid(amended, 'settled');
    expect(plane.hit).toBe('perform set-limits');
    expect(card.observed().head).toMatchObject({ qos: other, stackGeneration: 2 });
  });

  it('do not begin a change once more that had ended as undone before they came', async () => {
    const { card, swap } = await swapping(limited);
    await card.scheduler.want(VOLUME_ID, { ...swap, cancelled: true });
    await card.untilSaid(swap, 'undone');
    const amended = await card.amend(other);
    await card.untilSaid(amended, 'undone');
    expect(card.scheduler.said(amended.operationId)?.closedLegIds).toEqual(
      amended.stack.legs.map(({ legId }) => legId),
    );
    expect(card.scheduler.said(amended.operationId)?.steps).toEqual([]);
  });

  it('are carried out by themselves after the swap has settled, which names its closed legs again', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({ qos: limited });
    await card.settle(encrypted);
    const amended = await card.amend(other);
    await card.untilSaid(amended, 'settled');
    expect(isSettled(card.observed(), plannedVolumeOf(amended))).toBe(true);
    expect(card.scheduler.said(amended.operationId)).toMatchObject({
      closedLegIds: ['leg-0000000010'],
      steps: [{ kind: 'set-limits', outcome: 'done' }],
    });
  });
});

async function prepared(qos: QosLimits | null) {
  const card = new CardFixture();
  const agent = await card.start();
  await card.settle({ qos });
  await agent.stop();
  return { card, written: card.card.guestWrites(VOLUME_ID) };
}

/** How it ended, which must be as it is wanted, with the closed legs told and no write lost. */
async function ended(card: CardFixture, written: number) {
  const { wanted } = card;
  if (!wanted) throw new Error('nothing is wanted');
  await card.untilSaid(wanted, 'settled');
  const { exports: _, ...observed } = card.observed();
  const { exports: _e, ...expected } = expectedObservation(plannedVolumeOf(wanted));
  const { closedLegIds } = card.scheduler.said(wanted.operationId) ?? {};
  return { observed, expected, closedLegIds, read: card.card.guestReads(VOLUME_ID), written };
}

/** The legs of the old stack are told as closed by whichever operation the scheduler hears in the end. */
const asExpected = ({ expected, written }: Awaited<ReturnType<typeof ended>>) => ({
  observed: expected,
  read: written,
  closedLegIds: ['leg-0000000010'],
});

describe.each(cases)('limits $name during a swap', ({ before, asked }) => {
  it('are in force afterwards, whichever of its moments they meet', async () => {
    let moments = 1;
    for (let moment = 1; moment <= moments; moment++) {
      const { card, written } = await prepared(before);
      let isAmended = false;
      const trigger = new Trigger(moment, async () => {
        if (card.wanted?.generation !== 2) return;
        isAmended = true;
        await card.amend(asked);
      });
      await card.start(trigger);
      await card.want(encrypted);
      await card.clock.runUntil('it is amended, or over', () => isAmended || isOver(card));
      const end = await ended(card, written);
      expect({ moment, ...end }).toEqual({ moment, ...end, ...asExpected(end) });
      // As many as the change had when nothing met it: the first moment comes before it is wanted.
      if (moment === 1) moments = trigger.moments.length;
    }
    expect(moments).toBeGreaterThan(40);
  });

  it('are in force afterwards when the agent dies at any of its moments and hears of them in its next life', async () => {
    const { card: calm } = await prepared(before);
    const all = new Fuse();
    await calm.start(all);
    await calm.settle(encrypted);
    for (let moment = 1; moment <= all.moments.length; moment++) {
      const { card, written } = await prepared(before);
      await killedAt(card, moment);
      await card.amend(asked, false);
      await card.start();
      const end = await ended(card, written);
      expect({ moment, ...end }).toEqual({ moment, ...end, ...asExpected(end) });
    }
  });

  it('are in force afterwards when the agent dies at any moment after it heard of them', async () => {
    let moments = 1;
    for (let moment = 1; moment <= moments; moment++) {
      const { card, written } = await prepared(before);
      const fuse = new Fuse();
      await card.start(fuse);
      await card.want(encrypted);
      await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
      const heardAt = fuse.moments.length;
      if (moment > 1) fuse.blowIn(moment);
      await card.amend(asked);
      await card.clock.runUntil('the agent is dead or done', () => fuse.blown || isOver(card));
      if (moment === 1) moments = fuse.moments.length - heardAt;
      else await card.start();
      const end = await ended(card, written);
      expect({ moment, ...end }).toEqual({ moment, ...end, ...asExpected(end) });
    }
    expect(moments).toBeGreaterThan(20);
  });
});

const isOver = (card: CardFixture) => card.scheduler.said(card.wanted?.operationId ?? '')?.phase === 'settled';

async function killedAt(card: CardFixture, moment: number): Promise<void> {
  const fuse = new Fuse(moment);
  let isStarted = false;
  void card.start(fuse).then(() => void (isStarted = true));
  await card.clock.runUntil('the agent is dead or has started', () => fuse.blown || isStarted);
  await card.want(encrypted);
  await card.clock.runUntil('the agent is dead or done', () => fuse.blown || isOver(card));
}

it('never takes a growth back that its guest has seen, however often limits that came meanwhile cannot be set', async () => {
  let failures = 10;
  const qos = { iopsTotal: 500 };
  const amended: DesiredVolume[] = [];
  const card = new CardFixture();
  await card.start(undefined, {
    before: ({ step, method }) => {
      if (method === 'perform' && step?.kind === 'set-limits' && failures-- > 0)
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'not now' });
    },
    after: async ({ step, method }) => {
      if (method === 'perform' && step?.kind === 'grow-head') amended.push(await card.amend(qos));
    },
  });
  const { sizeBytes } = await card.settle({});
  await card.want({ sizeBytes: 2 * sizeBytes });
  await card.clock.runUntil('it is amended', () => amended.length > 0);
  for (const wanted of amended) await card.untilSaid(wanted, 'settled');
  expect(failures).toBeLessThan(0);
  expect(card.observed().head).toMatchObject({ sizeBytes: 2 * sizeBytes, qos });
});

it('sets the limits that stay when a change is taken back, however often that fails: there is nothing further back', async () => {
  const card = new CardFixture();
  const plane = new FaultyPlane(1, 'fails-for-good', card.clock);
  await card.start(new Fuse(), plane);
  await card.settle({ qos: limited });
  plane.isArmed = true;
  const back = { ...card.next({ qos: other, origin: 'healing' }), plan: acceptedPlanOf([]) };
  await card.scheduler.want(VOLUME_ID, back);
  await card.untilSaid(back, 'settled');
  expect(plane.hit).toBe('perform set-limits');
  expect(card.scheduler.volumeReports.filter(({ phase }) => phase === 'undone')).toEqual([]);
  expect(card.observed().head).toMatchObject({ qos: other });
});
