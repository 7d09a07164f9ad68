import type { CardDiscovery } from '@flexbso/dataplane-port';
import { isQuestion } from '@flexbso/dataplane-qsd/testing';
import { expectedObservation, nothingObserved, plannedVolumeOf } from '@flexbso/stack';
import { eventually } from '@flexbso/testkit';
import { NamedFuse } from './named-fuse.js';
import type { QsdCard } from './qsd-card.js';
import { moreQsdChanges, type QsdChanged, qsdChanges } from './qsd-changes.js';
import { QsdGuest } from './qsd-guest.js';

/** Until a change of seconds comes to a place in it. */
export const STRUCK_MS = 30_000;
/** Some hundred moments of seconds each. */
export const WHOLE_MS = 3_600_000;
/** Left out of the ordinary run altogether: a test that is skipped counts as a failure there. */
export const wholeQsdChanges = process.env['FLEXBSO_WHOLE_MATRIX'] === '1' ? [...qsdChanges, ...moreQsdChanges] : [];

export const asks = (moment: string) =>
  /: (before|after) \S+$/.test(moment) && isQuestion(moment.split(' ').at(-1) ?? '');

let discovery: CardDiscovery | null = null;
export async function prepared(changed: QsdChanged): Promise<[QsdCard, QsdGuest]> {
  const made = await QsdGuest.before(changed, discovery);
  discovery = made[0].discovery;
  return made;
}

/** The names of all moments of a change that nothing meets, in order. */
export async function momentsOf(changed: QsdChanged): Promise<string[]> {
  const [card] = await prepared(changed);
  try {
    const fuse = new NamedFuse();
    fuse.isArmed = true;
    await card.start(fuse);
    await card.settle(changed.change);
    return [...new Set(fuse.moments)];
  } finally {
    await card.dispose();
  }
}

/** One that dies while it starts never has started. */
async function startedOrDead(card: QsdCard, fuse: NamedFuse): Promise<void> {
  let isStarted = false;
  void (async () => {
    await card.start(fuse);
    isStarted = true;
  })();
  await eventually('the agent is dead or has started', () => fuse.isStruck || isStarted, STRUCK_MS);
}

/** What is wanted, before the change is. */
export const previousOf = (card: QsdCard, { change }: QsdChanged) => (change.upon ? null : card.wanted);

/** How the change ends when its agent dies at that moment and another comes; a torn journal has half a line more. */
export async function afterDeath(changed: QsdChanged, at: string, isTorn = false) {
  const [card, guest] = await prepared(changed);
  try {
    const previous = previousOf(card, changed);
    const fuse = new NamedFuse(at, async () => {
      if (isTorn) await card.tearJournal();
      fuse.blow();
    });
    fuse.isArmed = true;
    await startedOrDead(card, fuse);
    await card.want(changed.change);
    await eventually(
      'the agent is dead or done',
      () => fuse.isStruck || ['settled', 'gone'].includes(card.phase),
      STRUCK_MS,
    );
    await card.stop();
    await guest.writesWithin();
    await card.start();
    return { isStruck: fuse.isStruck, ...(await endOf(card, guest, previous)) };
  } finally {
    await card.dispose();
  }
}

/** How it ended and why, what runs then beside what should, and what the guest and its snapshots lost by it. */
export async function endOf(card: QsdCard, guest: QsdGuest, previous: QsdCard['wanted']) {
  const phase = await card.untilEnded();
  await card.stop();
  const current = phase === 'undone' ? previous : card.wanted;
  const { exports: _, ...observed } = await card.observe();
  const { exports: _e, ...expected } = current
    ? expectedObservation(plannedVolumeOf(current))
    : nothingObserved(card.volumeId);
  const end = phase !== 'undone' ? 'as-wanted' : current ? 'as-before' : 'none';
  return { phase, problem: card.problem, observed, expected, lost: await guest.lost(end) };
}

export type Ended = Awaited<ReturnType<typeof endOf>>;
/** All that was written is there, on one complete stack. */
export const sound = ({ expected }: Ended) => ({ observed: expected, lost: [] });
