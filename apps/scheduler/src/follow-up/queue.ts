import { type Problem, ProblemError, type VolumePatch } from '@flexbso/contracts';
import { legCountOf } from '@flexbso/stack';
import { cancel, cancelledBy, cancelRefusal } from '../changes/cancel.js';
import { type ChangeRecord, cutShort, supersededBy } from '../changes/change-record.js';
import { type Aggregate, type Deciding, type Draft, draftOf } from '../changes/draft.js';
import { endEvent } from '../changes/saga.js';
import { assertTransition, isFinal } from '../changes/transitions.js';
import type { Decision } from '../decisions.js';
import { keptGenerations } from '../snapshots/kept-stacks.js';
import { type Difference, differencesOf, needsNewStack } from '../volumes/differences.js';
import { proposeChange } from '../volumes/propose-change.js';
import { type Asking, emptyPlan, newChange, type World } from '../volumes/proposal.js';
import type { VolumeBefore } from '../volumes/volume-record.js';
import { type FollowUp, keyed, patchOf, wishOf, wishOfChange } from './follow-up.js';

/** What leads from one wanted state to the next; all else is asked for by verbs of its own, and done to its end. */
const giveWay: readonly ChangeRecord['kind'][] = ['change', 'heal'];

/** Whether a newer wish may be queued behind the change that is under way, or take the place of one that is. */
export function mayBeFollowed({ volume, change }: Aggregate): boolean {
  if (isFinal(change.state)) return volume.followUp !== null;
  if (change.state === 'needs-operator') return false;
  return giveWay.includes(change.kind) && change.from !== null;
}

/**
 * Decides what follows the change that is under way. What could not be asked of a state that it begins from is refused,
 * but for want of room: that is judged when it begins. Changes nothing. @throws ProblemError with the refusal
 */
export function proposeFollowUp(world: World, present: Aggregate, asked: VolumePatch, asking: Asking): FollowUp {
  const { volume, change } = present;
  const wish = wishOf(asked, volume.followUp);
  const settled = asIfSettled(present);
  const patch = { ...keyed(wish, settled.volume.want), ...(asked.rekey ? { rekey: asked.rekey } : {}) };
  refuseSenseless(world, settled, patch, asking);
  const differences = differencesTo(settled, patch);
  const inherited = inheritedBy(present, differences);
  const followUp = {
    change: queuedChange(world, present, differences, asking),
    ...wish,
    ...(inherited ? { inherited } : {}),
    caller: asking.caller,
  };
  if (inherited && change.from !== null) {
    const undone = asIfUndone(present, change.from);
    refuseSenseless(world, undone, patchOf(followUp, undone.change, undone.volume.want), asking);
  }
  return followUp;
}

/** What the change that gives way to it makes different; undefined: none does, nor did to a wish whose place it takes. */
function inheritedBy(present: Aggregate, differences: Difference[]): VolumePatch | undefined {
  const { volume, change } = present;
  if (!givesWay(present, differences)) return volume.followUp?.inherited;
  const { want } = asIfSettled(present).volume;
  return wishOfChange(change, want, legCountOf(want.stack.layers));
}

/** What somebody cancelled, or is being undone already, nobody wants any more. */
function givesWay({ change }: Aggregate, differences: Difference[]): boolean {
  const isWanted = change.cancel === null && change.state !== 'undoing';
  return isWanted && isInTheWay(differences) && cancelRefusal(change) === null;
}

function queuedChange(
  { deciding }: World,
  { volume, change }: Aggregate,
  differences: Difference[],
  asking: Asking,
): ChangeRecord {
  const generation = volume.generation;
  const about = {
    kind: 'change' as const,
    differences,
    fromGeneration: generation,
    toGeneration: generation + 1,
    plan: emptyPlan,
    from: null,
  };
  return {
    ...newChange(volume, about, asking, deciding),
    state: 'queued',
    waitingFor: `change ${change.changeId} of the volume to be over`,
    waitingSinceMs: deciding.nowMs,
  };
}

/** Writes down what follows, and takes back what is under way where its copy would be made for nothing. */
export async function acceptFollowUp(decision: Decision, present: Aggregate, followUp: FollowUp): Promise<Draft> {
  const { nowMs } = decision.deciding;
  const draft = draftOf(present);
  const by = followUp.caller.name;
  const before = present.volume.followUp?.change;
  if (before) {
    const ended = supersededBy(before, followUp.change, nowMs);
    draft.superseded.push(ended);
    draft.events.push(endEvent(ended));
  }
  draft.volume.followUp = followUp;
  tell(draft, followUp.change);
  if (followUp.inherited && cancelRefusal(present.change) === null) cancel(draft, by, decision.deciding);
  await decision.write(present, draft, { by, judged: false });
  return draft;
}

/** Ends what was to follow without its having begun. */
export function endFollowUp(draft: Draft, state: 'refused' | 'undone', problem: Problem, nowMs: number): ChangeRecord {
  const { followUp } = draft.volume;
  if (followUp === null) throw new Error(`nothing follows ${draft.change.changeId}`);
  assertTransition(followUp.change.changeId, followUp.change.state, state);
  const ended = { ...cutShort(followUp.change, nowMs), state, problem };
  draft.volume.followUp = null;
  tell(draft, ended);
  return ended;
}

/** @returns whether it waits for something else than it said */
export function noteFollowUpWait(draft: Draft, waitingFor: string, { nowMs }: Deciding): boolean {
  const { followUp } = draft.volume;
  if (followUp === null || followUp.change.waitingFor === waitingFor) return false;
  const change = { ...followUp.change, waitingFor, waitingSinceMs: nowMs };
  draft.volume.followUp = { ...followUp, change };
  draft.queued = change;
  return true;
}

/** Nothing has begun, so nothing is undone but the wish. */
export function cancelFollowUp(draft: Draft, by: string, { nowMs }: Deciding): void {
  const { followUp } = draft.volume;
  if (followUp === null) throw new Error(`nothing follows ${draft.change.changeId}`);
  followUp.change.cancel = { by, atMs: nowMs, outcome: 'undone' };
  endFollowUp(draft, 'undone', cancelledBy(by), nowMs);
}

function tell(draft: Draft, change: ChangeRecord): void {
  draft.queued = change;
  const event = endEvent(change);
  draft.events.push({ ...event, data: { ...event.data, differences: change.differences } });
}

/** Another stack, or size, is made anew: what is copied for the one before it is copied for nothing. */
function isInTheWay(differences: Difference[]): boolean {
  return needsNewStack(differences) || differences.includes('size');
}

function differencesTo({ volume, legs }: Aggregate, patch: VolumePatch): Difference[] {
  const present = legs.filter((leg) => leg.stackGeneration === volume.want.stackGeneration);
  const pools = present.map(({ poolId }) => poolId);
  return differencesOf(volume.want, pools, patch);
}

/** The volume as the change that is under way will leave it. */
function asIfSettled(present: Aggregate): Aggregate {
  const { volume, change } = present;
  const want = change.next?.isBegun === false ? change.next.want : volume.want;
  // A second stage has a generation of its own.
  const generation = Math.max(volume.generation, change.toGeneration);
  return {
    ...present,
    volume: { ...volume, want, generation, state: 'ready', followUp: null },
    change: { ...change, state: 'settled', next: null },
  };
}

/** The volume as it is once the change that is under way was taken back. */
function asIfUndone(present: Aggregate, from: VolumeBefore): Aggregate {
  const { functionId: _, ...want } = from;
  const { volume, change, legs } = present;
  const kept = keptGenerations(want, volume.snapshots);
  return {
    ...present,
    volume: { ...volume, want, state: 'ready', followUp: null },
    change: { ...change, state: 'undone', reverting: true, next: null, problem: cancelledBy('it') },
    legs: legs.filter((leg) => kept.has(leg.stackGeneration)),
  };
}

const forWantOfRoom: readonly Problem['code'][] = ['no-placement', 'pool-full'];

function refuseSenseless(world: World, settled: Aggregate, patch: VolumePatch, asking: Asking): void {
  try {
    proposeChange(world, settled, patch, asking);
  } catch (error) {
    if (!(error instanceof ProblemError) || !forWantOfRoom.includes(error.code)) throw error;
  }
}
