import type { Plan, VolumePatch } from '@flexbso/contracts';
import type { ChangeRecord } from '../changes/change-record.js';
import { type Aggregate, type Deciding, type Draft, draftOf } from '../changes/draft.js';
import { holdOf } from '../changes/hold.js';
import { advance, announce, keptStacks } from '../changes/saga.js';
import type { Decision } from '../decisions.js';
import { amendOnCard } from '../desired/desired-items.js';
import { limitedTo } from '../follow-up/follow-up.js';
import type { LegRecord } from '../legs/leg-record.js';
import { planReservations } from '../placement/plan-reservations.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import {
  bothReservations,
  cardReservation,
  copyReservations,
  exactReservations,
  legReservations,
} from '../placement/volume-reservations.js';
import { leavingStacks } from '../snapshots/kept-stacks.js';
import { differencesOf, patched } from './differences.js';
import { plannedVolume } from './planned.js';
import { boundPlan } from './bound-plan.js';
import { planOrThrow, type Proposal, type World } from './proposal.js';
import type { VolumeWant } from './volume-record.js';

/** On its way to an end that the guest sees, which other limits can still be part of. */
const amendable: readonly ChangeRecord['state'][] = ['preparing', 'applying', 'retiring'];

const amendableKinds: readonly ChangeRecord['kind'][] = ['change', 'heal', 'snapshot', 'delete-snapshot'];

/** Whether a patch asks for other limits alone, of a volume whose change is under way and can take them along. */
export function isAmendment(present: Aggregate, patch: VolumePatch, deciding: Deciding): boolean {
  const { volume, change, legs } = present;
  const isUnderWay = amendable.includes(change.state) && amendableKinds.includes(change.kind);
  // What somebody cancelled ends as it is, by the card's word on that very operation.
  if (!isUnderWay || change.cancel !== null || change.from === null || isBetweenStages(change)) return false;
  // Its card works on, and would set them under the pause.
  if (change.state === 'retiring' && holdOf(present, deciding)) return false;
  // What else it names may be what the change leads to, and not what follows that.
  if (volume.followUp !== null && Object.keys(patch).some((name) => name !== 'qos')) return false;
  const differences = differencesOf(
    volume.want,
    legs.filter((leg) => leg.stackGeneration === volume.want.stackGeneration).map(({ poolId }) => poolId),
    patch,
  );
  return differences.length === 1 && differences[0] === 'qos';
}

/** The plan of a stage that its card has yet to get was made, and accepted, with the limits of then. */
function isBetweenStages({ next, state }: ChangeRecord): boolean {
  return next !== null && (!next.isBegun || state === 'preparing');
}

/**
 * The change that is under way with other limits, as a newer generation: they are what its end has, and what its undo
 * goes back to. `plan` is that of the whole change with them; the change keeps the one that was accepted once its card
 * works by it. Changes nothing. @throws ProblemError with the refusal.
 */
export function proposeAmendment(
  world: World,
  present: Aggregate,
  patch: VolumePatch,
): { proposal: Proposal; plan: Plan } {
  const { volume, change, legs } = present;
  if (change.from === null) throw new Error(`${change.changeId} has no state before it`);
  const rate = world.deciding.copyBytesPerSecond;
  const want = patched(volume.want, patch);
  const to = { ...plannedVolume(volume, want, legs, rate), limitsAtOnce: change.state !== 'preparing' };
  // What the card has: after a first amendment the change itself would go back to other limits.
  const from = { ...change.from, qos: present.given === null ? change.from.qos : present.given.qos };
  const kept = keptStacks(present) ?? new Set();
  const leaving = leavingStacks({ want: from, snapshots: volume.snapshots }, legs, kept);
  const steps = planOrThrow(world, volume.cardId, plannedVolume(volume, from, legs, rate), to, leaving);
  const keptLegs = legs.filter((leg) => kept.has(leg.stackGeneration));
  const reservations = reservationsWith(present, want, keptLegs, steps.bytesToCopy > 0 ? rate : null);
  const after = exactReservations({ ...volume, want }, keptLegs);
  const before = present.reservations;
  const generation = volume.generation + 1;
  const about = { ...change, differences: [...new Set([...change.differences, 'qos'])], toGeneration: generation };
  const held = planReservations({ before, during: reservations, after });
  const next = { ...volume, want, generation };
  const plan = boundPlan({ ...steps, reservations: held }, about, next);
  const amended: ChangeRecord = {
    ...about,
    from: { ...change.from, qos: want.qos },
    ...(change.state === 'preparing' ? { plan } : {}),
  };
  // What follows would else bring back the limits that it was asked for with.
  const followUp = volume.followUp && limitedTo(volume.followUp, want.qos);
  return { proposal: { volume: { ...next, followUp }, change: amended, legs, reservations }, plan };
}

/** Beside what is held already; a copy that is over takes nothing more. */
function reservationsWith(
  present: Aggregate,
  want: VolumeWant,
  keptLegs: readonly LegRecord[],
  copyBytesPerSecond: number | null,
): ReservationRecord[] {
  const { volume, change, legs, reservations } = present;
  const { volumeId } = volume;
  const wanted = [cardReservation(volume, want), ...legReservations(volumeId, want, keptLegs)];
  const held = bothReservations(reservations, wanted);
  if (copyBytesPerSecond === null || change.from === null || change.state === 'retiring') return held;
  const from = { ...change.from, qos: want.qos };
  return bothReservations(held, copyReservations(volume, from, want, legs, copyBytesPerSecond));
}

/** Writes the amended change, and tells its card when that has it already. */
export async function acceptAmendment(
  decision: Decision,
  present: Aggregate,
  proposal: Proposal,
  by: string,
): Promise<Draft> {
  const { deciding } = decision;
  const draft = draftOf({ ...proposal, keys: present.keys, given: present.given });
  if (draft.change.state !== 'preparing') amendOnCard(draft, deciding);
  announce(draft, 'amended', { differences: ['qos'] });
  advance(draft, deciding);
  await decision.write(present, draft, { by, judged: true });
  return draft;
}
