import { type CardSnapshot, ProblemError } from '@flexbso/contracts';
import {
  chainOf,
  type ChangePlan,
  localLegProblem,
  planAttach,
  planDetach,
  type PlannedStack,
  type PlanOfSteps,
} from '@flexbso/stack';
import type { Aggregate } from '../changes/draft.js';
import type { LegRecord } from '../legs/leg-record.js';
import { chooseCard } from '../placement/choose.js';
import { planReservations } from '../placement/plan-reservations.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import {
  cardReservation,
  exactReservations,
  formerReservations,
  leftFunctionReservation,
} from '../placement/volume-reservations.js';
import { carriersOf, leavingStacks } from '../snapshots/kept-stacks.js';
import { plannedVolume } from './planned.js';
import { withoutWork } from './without-work.js';
import { seedOf } from './propose-create.js';
import { onCard, refuseKeyOfOneCard, refuseSnapshotOfOneCard, refuseUnreachablePool } from './propose-failover.js';
import { type Asking, newChange, planOrThrow, type Proposal, type World } from './proposal.js';
import { assertMade } from './standing.js';
import type { VolumeBefore, VolumeRecord } from './volume-record.js';

export interface AttachWish {
  readonly cardId: string | undefined;
  readonly functionId: string | undefined;
}

/**
 * Decides what taking a volume off its card takes. Its function and what it holds of the card are free once the card
 * has reported that nothing of it is left there; its legs and their room stay. Of a detached volume: a change that is
 * settled at once, so that a client which repeats itself succeeds. @throws ProblemError with the refusal.
 */
export function proposeDetach(world: World, present: Aggregate, asking: Asking): Proposal {
  assertMade(present);
  const { volume, legs, reservations } = present;
  if (volume.want.detached) return withoutWork(world, present, volume.want, [], asking, 'detach');
  const planned = planDetach(volume.cardId, plannedNow(world, present));
  const next: VolumeRecord = { ...volume, want: { ...volume.want, detached: true } };
  return proposalOf(world, present, next, legs, { kind: 'detach', differences: ['attached'] }, asking, {
    plan: orThrow(planned),
    during: reservations,
    from: volume.want,
  });
}

/**
 * Decides what showing a volume again takes: on its card, on another one, or, of an attached volume, on another
 * function of its card. @throws ProblemError with the refusal.
 */
export function proposeAttach(world: World, present: Aggregate, wish: AttachWish, asking: Asking): Proposal {
  assertMade(present);
  return present.volume.want.detached
    ? attachDetached(world, present, wish, asking)
    : moveFunction(world, present, wish, asking);
}

function attachDetached(world: World, present: Aggregate, wish: AttachWish, asking: Asking): Proposal {
  const { volume } = present;
  refuseLost(volume);
  const to = destinationOf(world, present, wish);
  const isOther = to.card.cardId !== volume.cardId;
  const { detached: _, ...want } = volume.want;
  const next: VolumeRecord = {
    ...volume,
    cardId: to.card.cardId,
    functionId: to.functionId,
    want: { ...want, placement: isOther ? onCard(want.placement, to.card) : want.placement },
  };
  const legs = present.legs.map((leg) => heldBy(leg, to.card));
  const planned = planAttach({
    fromCardId: volume.cardId,
    toCardId: to.card.cardId,
    toCapabilities: to.card.capabilities,
    from: plannedNow(world, present),
    to: plannedVolume(next, next.want, legs, world.deciding.copyBytesPerSecond),
    neverBuilt: volume.want.neverBuilt,
    kept: { from: keptBeside(volume, present.legs), to: keptBeside(volume, legs) },
  });
  const plan = orThrow(planned);
  if (isOther) {
    refuseKeyOfOneCard(present);
    refuseSnapshotOfOneCard(present);
    refuseUnreachablePool(world, present.legs);
  }
  return proposalOf(
    world,
    present,
    next,
    legs,
    { kind: 'attach', differences: isOther ? ['attached', 'card'] : ['attached'] },
    asking,
    {
      plan,
      during: [cardReservation(next, next.want), ...present.reservations],
      from: volume.want,
    },
  );
}

/** @throws ProblemError `change-refused` for a volume of which a restore left nobody who knows how its stack is built */
function refuseLost({ name, want, snapshots }: VolumeRecord): void {
  if (!want.lost) return;
  const known = snapshots.filter(({ state }) => state === 'ready').map((one) => one.name);
  const wayOut =
    known.length > 0 ? `roll it back to a snapshot (${known.join(', ')})` : 'it has no snapshot that is whole';
  throw new ProblemError({
    code: 'change-refused',
    detail: `volume ${name} is not attached: its stack was made after the copy that the database was restored from, and nobody knows how its legs belong together; ${wayOut}, or delete it`,
  });
}

/** The stacks that snapshots alone keep: their legs are wherever their volume is. */
function keptBeside(volume: VolumeRecord, legs: readonly LegRecord[]): PlannedStack[] {
  return leavingStacks(volume, legs, new Set(carriersOf(volume.want)));
}

/** On another card a leg gets a new epoch, so that nobody who held it before can come back to it. */
function heldBy(leg: LegRecord, { cardId, sealingKey }: CardSnapshot): LegRecord {
  const holder = { cardId, sealingKey };
  if (leg.holder.cardId !== cardId)
    // Address and key are as the pool reports them at the new epoch, and not before.
    return { ...leg, epoch: leg.epoch + 1, holder, awaited: true, address: null, access: null };
  // The card may have another sealing key by now; and a pool may still owe what an attachment that failed asked of it.
  const isToBeSaid = leg.awaited || leg.address === null || leg.holder.sealingKey !== sealingKey;
  return isToBeSaid ? { ...leg, holder, awaited: true } : leg;
}

/** The card is the one that it was on, unless another is named. */
function destinationOf({ fleet, deciding }: World, { volume, legs }: Aggregate, wish: AttachWish) {
  if (wish.cardId !== undefined && wish.cardId !== volume.cardId) {
    const planned = plannedVolume(volume, volume.want, legs, deciding.copyBytesPerSecond);
    // Before cards are counted out: that none reaches the leg would be the answer for each of them.
    const kept = keptBeside(volume, legs);
    const local = localLegProblem(
      volume.cardId,
      wish.cardId,
      [...chainOf(planned), ...kept].flatMap((stack) => stack.legs),
    );
    if (local) throw new ProblemError(local);
  }
  const { card, functionId } = chooseCard(fleet, volume, {
    wishedCardId: wish.cardId ?? volume.cardId,
    leftCardIds: volume.formerCards.map(({ cardId }) => cardId),
    legPoolIds: legs.map(({ poolId }) => poolId),
    addressKinds: legs.map(({ addressKind }) => addressKind),
    seed: seedOf(volume.volumeId),
  });
  if (wish.functionId !== undefined) {
    assertFunction({ fleet }, card, wish.functionId, volume);
    return { card, functionId: wish.functionId };
  }
  const isSameCard = card.cardId === volume.cardId;
  const isFree = unfitnessOf({ fleet }, card, volume.functionId, volume) === null;
  return { card, functionId: isSameCard && isFree ? volume.functionId : functionId };
}

function moveFunction(world: World, present: Aggregate, wish: AttachWish, asking: Asking): Proposal {
  const { volume, legs, reservations } = present;
  const { name, cardId, want } = volume;
  if (wish.cardId !== undefined && wish.cardId !== cardId) {
    throw new ProblemError({
      code: 'change-refused',
      detail: `volume ${name} is attached to card ${cardId}, and one card at a time carries it; detach it first, then attach it to ${wish.cardId}`,
      facts: { cardId },
    });
  }
  const { functionId = volume.functionId } = wish;
  if (functionId === volume.functionId) return withoutWork(world, present, want, [], asking, 'attach');
  const next: VolumeRecord = { ...volume, functionId };
  const rate = world.deciding.copyBytesPerSecond;
  const plan = planOrThrow(world, cardId, plannedNow(world, present), plannedVolume(next, want, legs, rate));
  const card = world.fleet.card(cardId)?.snapshot;
  if (card) assertFunction(world, card, functionId, volume);
  const others = reservations.filter(({ reservationId }) => reservationId !== volume.volumeId);
  return proposalOf(world, present, next, legs, { kind: 'attach', differences: ['function'] }, asking, {
    plan,
    during: [cardReservation(next, want), ...others, leftFunctionReservation(volume)],
    from: { ...want, functionId: volume.functionId },
  });
}

function proposalOf(
  { deciding }: World,
  { volume, reservations: before }: Aggregate,
  moved: VolumeRecord,
  legs: LegRecord[],
  what: { readonly kind: 'detach' | 'attach'; readonly differences: string[] },
  asking: Asking,
  { plan, during, from }: { plan: PlanOfSteps; during: ReservationRecord[]; from: VolumeBefore },
): Proposal {
  const generation = volume.generation + 1;
  const next: VolumeRecord = { ...moved, generation, state: 'changing' };
  const after = [...exactReservations(next, legs), ...formerReservations(next, before)];
  const reservations = planReservations({ before, during, after });
  const range = { fromGeneration: volume.generation, toGeneration: generation };
  const about = { ...what, ...range, plan: { ...plan, reservations }, from };
  return { volume: next, change: newChange(next, about, asking, deciding), legs, reservations: during };
}

function plannedNow({ deciding }: World, { volume, legs }: Aggregate) {
  return plannedVolume(volume, volume.want, legs, deciding.copyBytesPerSecond);
}

function orThrow(planned: ChangePlan): PlanOfSteps {
  if (!planned.ok) throw new ProblemError(planned.problem);
  return planned.plan;
}

function assertFunction(
  world: Pick<World, 'fleet'>,
  card: CardSnapshot,
  functionId: string,
  volume: Pick<VolumeRecord, 'name' | 'protocol'>,
): void {
  const why = unfitnessOf(world, card, functionId, volume);
  if (why === null) return;
  throw new ProblemError({
    code: 'no-placement',
    detail: `volume ${volume.name} cannot be shown on function ${functionId} of card ${card.cardId}: ${why}; name another, or none to have one chosen`,
    facts: { cardId: card.cardId, functionId },
  });
}

/** Why a volume cannot be shown on a function, or null. */
function unfitnessOf(
  { fleet }: Pick<World, 'fleet'>,
  { cardId, functions }: CardSnapshot,
  functionId: string,
  { protocol }: Pick<VolumeRecord, 'protocol'>,
): string | null {
  const known = functions.find((one) => one.functionId === functionId);
  if (!known) return 'the card has no such function';
  if (!known.protocols.includes(protocol)) return `it speaks ${known.protocols.join(', ')}, and not ${protocol}`;
  return fleet.card(cardId)?.use.functionIds.has(functionId) ? 'it is taken' : null;
}
