import { type Problem, ProblemError, type VolumePatch } from '@flexbso/contracts';
import { legCountOf } from '@flexbso/stack';
import { cancel, cancelledBy, cancelRefusal } from '../changes/cancel.js';
import { type ChangeRecord, cutShort } from '../changes/change-record.js';
import { type Aggregate, type Deciding, type Draft, draftOf } from '../changes/draft.js';
import { assertTransition, isFinal } from '../changes/transitions.js';
import type { Decision } from '../decisions.js';
import { type Difference, differencesOf, needsNewStack } from '../volumes/differences.js';
import { proposeChange } from '../volumes/propose-change.js';
import { type Asking, emptyPlan, newChange, type World } from '../volumes/proposal.js';
import type { VolumeWant } from '../volumes/volume-record.js';
import { type FollowUp, wholeWish } from './follow-up.js';

/** What leads from one wanted state to the next; all else is asked for by verbs of its own, and done to its end. */
const giveWay: readonly ChangeRecord['kind'][] = ['change', 'heal'];

/** Whether a newer wish may be queued behind the change that is under way. */
export function mayBeFollowed({ volume, change }: Aggregate): boolean {
  const isUnderWay = !isFinal(change.state) && change.state !== 'needs-operator';
  return isUnderWay && giveWay.includes(change.kind) && change.from !== null && volume.followUp === null;
}

/**
 * Decides what follows the change that is under way. What could not be asked of the state that it leads to is refused,
 * but for want of room: that is judged when it begins. Changes nothing. @throws ProblemError with the refusal
 */
export function proposeFollowUp(world: World, present: Aggregate, patch: VolumePatch, asking: Asking): FollowUp {
  const { volume, change } = present;
  const settled = asIfSettled(present);
  refuseSenseless(world, settled, patch, asking);
  const { want } = settled.volume;
  const generation = volume.generation;
  const queued = newChange(
    volume,
    {
      kind: 'change',
      differences: differencesTo(settled, patch),
      fromGeneration: generation,
      toGeneration: generation + 1,
      plan: emptyPlan,
      from: null,
    },
    asking,
    world.deciding,
  );
  return {
    change: {
      ...queued,
      state: 'queued',
      waitingFor: `change ${change.changeId} of the volume to be over`,
      waitingSinceMs: world.deciding.nowMs,
    },
    patch: wholeWish(change, want, legCountOf(want.stack.layers), patch),
    isRekeyed: patch.rekey !== undefined,
    caller: asking.caller,
  };
}

/** Writes down what follows, and takes back what is under way where its copy would be made for nothing. */
export async function acceptFollowUp(
  decision: Decision,
  present: Aggregate,
  followUp: FollowUp,
  patch: VolumePatch,
): Promise<Draft> {
  const draft = draftOf(present);
  const by = followUp.caller.name;
  draft.volume.followUp = followUp;
  tell(draft, followUp.change);
  const differences = differencesTo(asIfSettled(present), patch);
  if (isInTheWay(differences) && cancelRefusal(present.change) === null) cancel(draft, by, decision.deciding);
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

/** Nothing has begun, so nothing is undone but the wish. */
export function cancelFollowUp(draft: Draft, by: string, { nowMs }: Deciding): void {
  const { followUp } = draft.volume;
  if (followUp === null) throw new Error(`nothing follows ${draft.change.changeId}`);
  followUp.change.cancel = { by, atMs: nowMs, outcome: 'undone' };
  endFollowUp(draft, 'undone', cancelledBy(by), nowMs);
}

function tell(draft: Draft, change: ChangeRecord): void {
  const { changeId, volumeId, kind, toGeneration, state, problem, differences } = change;
  draft.queued = change;
  const because = problem === null ? {} : { problem: problem.code, detail: problem.detail.slice(0, 300) };
  const data = { volumeId, changeKind: kind, generation: toGeneration, state, differences, ...because };
  draft.events.push({ kind: 'change', id: changeId, what: state, data });
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
  const want: VolumeWant = change.next?.want ?? volume.want;
  return {
    ...present,
    volume: { ...volume, want, state: 'ready' },
    change: { ...change, state: 'settled', next: null },
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
