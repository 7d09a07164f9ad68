import type { DesiredVolume } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { expectedObservation, isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';
import { Trigger } from '../testing/trigger.js';

const encrypted: Wish = { newStack: true, layers: [{ kind: 'encryption' }] };

function cancel(card: CardFixture, desired: DesiredVolume, isNudged = true): Promise<void> {
  return card.scheduler.want(VOLUME_ID, { ...desired, cancelled: true }, isNudged);
}

describe('a change that is cancelled', () => {
  it('is taken back from the middle of its copy, and says so for its own operation', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const written = card.card.guestWrites(VOLUME_ID);
    const desired = await card.want(encrypted);
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    await cancel(card, desired);
    await card.untilSaid(desired, 'undone');
    expect(card.scheduler.said(desired.operationId)).toMatchObject({
      problem: { code: 'cancelled' },
      closedLegIds: desired.stack.legs.map(({ legId }) => legId),
    });
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
    expect(card.card.guestReads(VOLUME_ID)).toBe(written);
  });

  it('is never begun when its card hears of both at once', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const first = await card.settle({});
    await agent.stop();
    const desired = await card.want(encrypted, false);
    await cancel(card, desired, false);
    await card.start();
    await card.untilSaid(desired, 'undone');
    expect(card.scheduler.said(desired.operationId)?.steps).toEqual([]);
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
  });

  it.each([
    ['a swap that is cut over', {}, encrypted, 'cut-over'],
    ['a volume that is shown to its guest', null, {}, 'export-volume'],
    ['a volume that grows where it is', {}, { sizeBytes: 128 * 1024 ** 2 }, 'grow-head'],
    ['a volume that is to go', {}, { tombstone: true }, 'stop-data-plane'],
  ] as const)('is completed where there is no way back: %s', async (_what, before, change: Wish, kind) => {
    const card = new CardFixture();
    let isMet = false;
    await card.start(undefined, {
      before: async ({ method, step }) => {
        if (isMet || method !== 'perform' || step?.kind !== kind || !card.wanted) return;
        isMet = true;
        await cancel(card, card.wanted);
        // So that it has to decide anew, with the intent on disk and the cancel heard.
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'not now' }, { retryable: true });
      },
    });
    if (before) {
      await card.settle(before);
      // A leg that is to be larger was made so by its pool.
      for (const leg of card.world.legs.values()) leg.sizeBytes = change.sizeBytes ?? leg.sizeBytes;
    }
    const desired = await card.want(change);
    await card.untilSaid(desired, desired.tombstone ? 'gone' : 'settled');
    expect(isMet).toBe(true);
    expect(card.scheduler.volumeReports.some(({ phase }) => phase === 'undone')).toBe(false);
  });

  it('is not begun where it is an attachment that its card hears of together with the cancel', async () => {
    const card = new CardFixture();
    const attachment = card.next({ carried: true });
    await cancel(card, attachment, false);
    await card.start();
    await card.untilSaid(attachment, 'undone');
    expect(card.observed()).toMatchObject({ running: false, exports: [] });
    expect(card.scheduler.said(attachment.operationId)?.steps).toEqual([]);
  });

  it('is not said to be undone by a card that lost its journal and its data plane', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    await card.settle({});
    await agent.stop();
    card.card.kill(VOLUME_ID);
    card.journal.lines.clear();
    const desired = await card.want(encrypted, false);
    await cancel(card, desired, false);
    await card.start();
    await card.untilSaid(desired, 'needs-operator');
    expect(card.scheduler.volumeReports.some(({ phase }) => phase === 'undone')).toBe(false);
  });

  it('is not said to be undone by a card whose journal is lost while the new stack carries the guest', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    await card.settle({});
    const desired = await card.settle(encrypted);
    await agent.stop();
    card.journal.lines.clear();
    await cancel(card, desired, false);
    await card.start();
    await card.clock.run(30_000);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
    expect(card.scheduler.said(desired.operationId)?.phase).toBe('settled');
  });
});

const changes: readonly { name: string; before: Wish | null; change: Wish }[] = [
  { name: 'create encrypted', before: null, change: { layers: [{ kind: 'encryption' }] } },
  { name: 'set limits', before: {}, change: { qos: { iopsTotal: 500 } } },
  { name: 'swap with limits', before: { qos: { iopsTotal: 500 } }, change: encrypted },
  { name: 'grow by a swap', before: {}, change: { ...encrypted, sizeBytes: 128 * 1024 ** 2 } },
  { name: 'detach', before: { qos: { iopsTotal: 500 } }, change: { tombstone: true } },
];

interface Ended {
  readonly phase: string;
  readonly observed: unknown;
  readonly wanted: unknown;
  /** Writes of the guest that are there, and those that it made. */
  readonly read: number;
  readonly written: number;
}

/** How it ended, what the card runs, and what it should run, having ended so. */
async function ended(
  { card, written }: { card: CardFixture; written: number },
  previous: DesiredVolume | null,
  wanted: DesiredVolume,
): Promise<Ended> {
  const phase = () => card.scheduler.said(wanted.operationId)?.phase ?? 'nothing said';
  await card.clock.runUntil('it ended', () => ['settled', 'gone', 'undone'].includes(phase()));
  const { exports: _, ...observed } = card.observed();
  const now = phase() === 'undone' ? previous : wanted;
  const { exports: _e, ...expected } = now
    ? expectedObservation(plannedVolumeOf(now))
    : { exports: [], volumeId: VOLUME_ID, running: false, head: null, stacks: [], copy: null };
  return {
    phase: phase() === 'gone' ? 'settled' : phase(),
    observed,
    wanted: expected,
    // Of what is gone from its card nothing can be read.
    read: observed.head ? card.card.guestReads(VOLUME_ID) : phase() === 'gone' ? written : 0,
    written,
  };
}

/** Whether the intent of the cut-over, or to show a new volume to its guest, is on disk; or that all was done. */
function hasNoWayBack(card: CardFixture, { operationId }: DesiredVolume): boolean {
  const lines = card.journal.lines.get(VOLUME_ID) ?? [];
  const begun = lines.findLastIndex((line) => line.startsWith('{"kind":"begin"') && line.includes(operationId));
  const own = begun === -1 ? [] : lines.slice(begun + 1);
  const isIntended = own.some((line) =>
    /^\{"kind":"intent".*"kind":"(cut-over|export-volume|stop-data-plane)"/.test(line),
  );
  const isDone = lines.some((line) => /^\{"kind":"(book|applied)"/.test(line) && line.includes(operationId));
  return isIntended || isDone;
}

async function prepared(before: Wish | null): Promise<{ card: CardFixture; written: number }> {
  const card = new CardFixture();
  const agent = await card.start();
  if (before) await card.settle(before);
  await agent.stop();
  return { card, written: before ? card.card.guestWrites(VOLUME_ID) : 0 };
}

describe.each(changes)('$name', ({ before, change }) => {
  it('ends in one complete stack and says which, wherever the cancel meets it', async () => {
    const phases = new Set<string>();
    let moments = 1;
    for (let moment = 1; moment <= moments; moment++) {
      const { card, written } = await prepared(before);
      const previous = card.wanted;
      let wayBack: 'there' | 'gone' | 'open' = 'open';
      const trigger = new Trigger(moment, async () => {
        if (!card.wanted || card.wanted === previous) return;
        // What is being written just then may be the intent; and limits that are set are only looked at any more.
        const isOpen = trigger.moments.at(-1)?.includes('journal') || change.qos !== undefined;
        const isPassed = hasNoWayBack(card, card.wanted);
        // Of what is gone the journal is gone too.
        if (!isOpen && (isPassed || !change.tombstone)) wayBack = isPassed ? 'gone' : 'there';
        await cancel(card, card.wanted);
      });
      await card.start(trigger);
      const desired = await card.want(change);
      const end = await ended({ card, written }, previous, desired);
      expect({ moment, ...end }).toEqual({ moment, ...end, observed: end.wanted, read: end.written });
      expect({ moment, wayBack, phase: end.phase }).not.toEqual({ moment, wayBack: 'there', phase: 'settled' });
      expect({ moment, wayBack, phase: end.phase }).not.toEqual({ moment, wayBack: 'gone', phase: 'undone' });
      phases.add(end.phase);
      // As many as the change had when nothing met it: the first moment comes before it is wanted.
      if (moment === 1) moments = trigger.moments.length;
    }
    expect(phases).toEqual(new Set(['settled', 'undone']));
  });

  it('ends so also when the agent dies there, and hears of the cancel in its next life', async () => {
    const { card: calm } = await prepared(before);
    const all = new Fuse();
    await calm.start(all);
    await calm.settle(change);
    for (let moment = 1; moment <= all.moments.length; moment++) {
      const { card, written } = await prepared(before);
      const previous = card.wanted;
      const fuse = new Fuse(moment);
      let isStarted = false;
      void card.start(fuse).then(() => void (isStarted = true));
      await card.clock.runUntil('the agent is dead or has started', () => fuse.blown || isStarted);
      const desired = await card.want(change);
      await card.clock.runUntil(
        'the agent is dead or done',
        () => fuse.blown || ['settled', 'gone'].includes(card.scheduler.said(desired.operationId)?.phase ?? ''),
      );
      await cancel(card, desired, false);
      await card.start();
      const end = await ended({ card, written }, previous, desired);
      expect({ moment, ...end }).toEqual({ moment, ...end, observed: end.wanted, read: end.written });
    }
  });
});
