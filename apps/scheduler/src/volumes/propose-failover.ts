import { type CardSnapshot, type Change, ProblemError } from '@flexbso/contracts';
import { chainOf, fenceProblem, planFailover } from '@flexbso/stack';
import type { Aggregate } from '../changes/draft.js';
import { isFinal } from '../changes/transitions.js';
import { isOfSnapshotsAlone } from '../keys/seal-anew.js';
import type { LegRecord } from '../legs/leg-record.js';
import { chooseCard } from '../placement/choose.js';
import { planReservations } from '../placement/plan-reservations.js';
import {
  cardReservation,
  exactReservations,
  formerReservationId,
  formerReservations,
  legReservations,
} from '../placement/volume-reservations.js';
import { carriersOf, leavingStacks } from '../snapshots/kept-stacks.js';
import { plannedVolume } from './planned.js';
import { type Asking, newChange, type Proposal, type World } from './proposal.js';
import { seedOf } from './propose-create.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

/** Where a volume goes: another card, or once more the one that could not take it over. */
interface Destination {
  readonly card: CardSnapshot;
  readonly functionId: string;
}

/**
 * Decides what failing a volume over takes: every leg fenced from the card that is away and served to another, which
 * builds the stack as it is. Changes nothing.
 *
 * @throws ProblemError with the refusal: a leg that nobody can fence, a card that answers, a pool that does not, no
 * other card that can carry it
 */
export function proposeFailover(
  world: World,
  present: Aggregate,
  wish: { readonly cardId: string | undefined },
  asking: Asking,
): Proposal {
  const { deciding } = world;
  const { volume } = present;
  const rate = deciding.copyBytesPerSecond;
  refuseDetached(present);
  refuseUnknownContent(volume);
  refuseKeyOfOneCard(present);
  const from = plannedVolume(volume, volume.want, present.legs, rate);
  // Snapshots move with their volume: nobody else may hold what a clone or a way back would open.
  const keptBefore = leavingStacks(volume, present.legs, new Set(carriersOf(volume.want)));
  const local = fenceProblem(
    volume.cardId,
    [...chainOf(from), ...keptBefore].flatMap((stack) => stack.legs),
  );
  if (local) throw new ProblemError(local);
  refuseReachableCard(world, present);
  refuseUnreachablePool(world, present.legs);
  const to = destinationOf(world, present, wish.cardId);
  const holder = { cardId: to.card.cardId, sealingKey: to.card.sealingKey };
  const legs = present.legs.map((leg): LegRecord => ({
    ...leg,
    epoch: leg.epoch + 1,
    holder,
    awaited: true,
    heldByCard: false,
    // As the pool reports them at the new epoch, and not before.
    address: null,
    access: null,
  }));
  const next = movedVolume(present, to, deciding);
  const planned = planFailover({
    fromCardId: volume.cardId,
    toCardId: to.card.cardId,
    toCapabilities: to.card.capabilities,
    from,
    to: plannedVolume(next, next.want, legs, rate),
    neverBuilt: volume.want.neverBuilt,
    kept: { from: keptBefore, to: leavingStacks(volume, legs, new Set(carriersOf(volume.want))) },
  });
  if (!planned.ok) throw new ProblemError(planned.problem);
  const reservations = reservationsOf(present, next, legs);
  // Once the card that is away has reported that it closed what it had.
  const after = exactReservations(next, legs);
  const about = {
    kind: 'failover' as const,
    differences: ['card'],
    fromGeneration: volume.generation,
    toGeneration: next.generation,
    plan: {
      ...planned.plan,
      reservations: planReservations({ before: present.reservations, during: reservations, after }),
    },
    from: volume.want,
  };
  return {
    volume: next,
    change: newChange(next, about, asking, deciding),
    legs,
    reservations,
  };
}

/** After a failover that the new card did not carry out: the old one is fenced, and no card has the volume. */
export function isCarriedByNobody({ change }: Aggregate): boolean {
  return change.kind === 'failover' && isFinal(change.state) && change.state !== 'settled';
}

/** When the card that these wait for goes away, another takes the volume over: they change no stack. */
function keepsTheStack({ kind, differences }: Pick<Change, 'kind' | 'differences'>): boolean {
  // Which function a card shows a volume on while it moves is again for that card to say.
  return kind === 'failover' || ((kind === 'detach' || kind === 'attach') && !differences.includes('function'));
}

/** While another change is under way, which stack is current is for the card that is away to say. */
export function assertCertainStack({ volume, change }: Aggregate): void {
  if (isFinal(change.state) || keepsTheStack(change)) return;
  throw new ProblemError({
    code: 'change-in-flight',
    detail: `change ${change.changeId} of volume ${volume.name} is ${change.state}, waiting for ${change.waitingFor ?? 'its next report'}: which stack is current is not certain until it has ended, so the volume is not failed over`,
    facts: { changeId: change.changeId, state: change.state },
  });
}

function refuseDetached({ volume, change }: Aggregate): void {
  if (!volume.want.detached || !isFinal(change.state)) return;
  const { name, cardId } = volume;
  const detail = `volume ${name} is detached: no card carries it, and ${cardId} has closed its legs; attach it to another card instead`;
  throw new ProblemError({ code: 'volume-detached', detail });
}

function refuseUnknownContent({ name, state, appliedGeneration }: VolumeRecord): void {
  if (state !== 'failed' && appliedGeneration > 0) return;
  throw new ProblemError({
    code: 'change-refused',
    detail: `volume ${name} was never made: there is nothing to fail over; delete it and create it again`,
  });
}

/** After a restore the books may lack a key that the card has; no other card can be given what the volume runs on. */
export function refuseKeyOfOneCard({ volume, keys }: Aggregate): void {
  const key = keys.find((one) => one.wrapped === null && !isOfSnapshotsAlone(volume, one));
  if (key === undefined) return;
  throw new ProblemError({
    code: 'change-refused',
    detail: `${key.keyRef} of volume ${volume.name} was made after the copy that the database was restored from: card ${volume.cardId} alone can open it, so no other card can take the volume over. Once that card is back, any change of the volume's stack or pools gives it a new key, and so does a re-key`,
    facts: { keyRef: key.keyRef, cardId: volume.cardId },
  });
}

/** What is done on purpose costs no snapshot. @throws ProblemError `change-refused` */
export function refuseSnapshotOfOneCard({ volume, keys }: Aggregate): void {
  const refs = new Set(keys.filter(({ wrapped }) => wrapped === null).map(({ keyRef }) => keyRef));
  const bound = volume.snapshots.filter(
    (one) => one.state === 'ready' && [one, ...one.bases].some(({ keyRef }) => keyRef !== null && refs.has(keyRef)),
  );
  if (bound.length === 0) return;
  const names = bound.map(({ name, snapshotId }) => `${name} (${snapshotId})`).join(', ');
  throw new ProblemError({
    code: 'change-refused',
    detail: `keys of snapshots of volume ${volume.name} were made after the copy that the database was restored from: card ${volume.cardId} alone can open ${names}; attach it there, or delete these first`,
    facts: { snapshotIds: bound.map(({ snapshotId }) => snapshotId), cardId: volume.cardId },
  });
}

/** A card that answers serves its guest: taking the volume away beneath it would be an outage made by hand. */
function refuseReachableCard({ fleet }: World, present: Aggregate): void {
  if (isCarriedByNobody(present)) return;
  const { cardId, name } = present.volume;
  const card = fleet.card(cardId)?.snapshot;
  if (card === undefined)
    throw new ProblemError({
      code: 'unavailable',
      detail: `card ${cardId} is not known at the moment: inventory has published no snapshot of it`,
    });
  // A quarantined card that went away is still called quarantined.
  if (card.state === 'unreachable' || card.unreachableSinceMs !== null) return;
  throw new ProblemError({
    code: 'change-refused',
    detail: `card ${cardId} is ${card.state}, and volume ${name} is its to serve: only a volume whose card is unreachable is failed over. If the card is to be taken out of service, stop its agent first and wait until it counts as unreachable`,
    facts: { cardId, state: card.state },
  });
}

/** A pool that is away cannot fence, and one in quarantine is not believed when it says that it did. */
export function refuseUnreachablePool({ fleet }: World, legs: readonly LegRecord[]): void {
  for (const { legId, poolId } of legs) {
    const state = fleet.pool(poolId)?.snapshot.state ?? 'not known at the moment';
    if (state === 'ready') continue;
    throw new ProblemError({
      code: 'change-refused',
      detail: `pool ${poolId} is ${state}, so ${legId} cannot be fenced from the old card; nothing was changed. Ask again when the pool is ready`,
      facts: { poolId, legId, state },
    });
  }
}

function destinationOf(world: World, present: Aggregate, wishedCardId: string | undefined): Destination {
  const { fleet } = world;
  const { volume, legs } = present;
  const own = fleet.card(volume.cardId)?.snapshot;
  const mayStay = isCarriedByNobody(present) && own?.state === 'ready';
  if (mayStay && (wishedCardId === undefined || wishedCardId === volume.cardId))
    return { card: own, functionId: volume.functionId };
  return chooseCard(fleet, volume, {
    wishedCardId,
    leftCardIds: [volume.cardId, ...volume.formerCards.map(({ cardId }) => cardId)],
    legPoolIds: legs.map(({ poolId }) => poolId),
    addressKinds: legs.map(({ addressKind }) => addressKind),
    seed: seedOf(volume.volumeId),
  });
}

function movedVolume({ volume, given }: Aggregate, to: Destination, { newId, nowMs }: World['deciding']): VolumeRecord {
  // A card that was given nothing of the volume has nothing to close.
  const isLeft = to.card.cardId !== volume.cardId && given !== null;
  const { detached: _, ...want } = volume.want;
  const { placement } = want;
  const { cardId, functionId } = volume;
  return {
    ...volume,
    cardId: to.card.cardId,
    functionId: to.functionId,
    generation: volume.generation + 1,
    state: 'changing',
    uri: null,
    cardOperationId: null,
    // A card or host that was named at creation is overruled, and must not draw later legs to itself.
    want: {
      ...want,
      placement: onCard(placement, to.card),
    },
    formerCards: isLeft
      ? [...volume.formerCards, { cardId, functionId, operationId: newId('op'), sinceMs: nowMs }]
      : volume.formerCards,
  };
}

/** Where it was named, a card or host follows. */
export function onCard(placement: VolumeWant['placement'], { cardId, hostId }: CardSnapshot): VolumeWant['placement'] {
  return {
    ...placement,
    ...(placement.cardId === undefined ? {} : { cardId }),
    ...(placement.hostId === undefined ? {} : { hostId }),
  };
}

const isFormerCard = ({ formerCards }: VolumeRecord, cardId: string) =>
  formerCards.some((former) => former.cardId === cardId);

/** On the new card beside those on the old, which stay until it reports that it closed what it had. */
function reservationsOf(present: Aggregate, next: VolumeRecord, legs: readonly LegRecord[]): Proposal['reservations'] {
  const { volume, reservations } = present;
  const moved = reservations
    .filter(({ reservationId }) => reservationId === volume.volumeId && isFormerCard(next, volume.cardId))
    .map((one) => ({ ...one, reservationId: formerReservationId(volume.volumeId, volume.cardId) }));
  return [
    cardReservation(next, next.want),
    ...moved,
    ...formerReservations(volume, reservations),
    ...legReservations(volume.volumeId, next.want, legs),
  ];
}
