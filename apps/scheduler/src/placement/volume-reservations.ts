import { cardDemandOf, legDemandOf } from '@flexbso/placement';
import { cardLayersOf } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import { stacksOf } from '../snapshots/kept-stacks.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import type { ReservationRecord } from './reservation-record.js';

type Owner = Pick<VolumeRecord, 'volumeId' | 'cardId' | 'functionId'>;
type Placed = Pick<LegRecord, 'legId' | 'poolId' | 'sizeBytes' | 'stackGeneration'>;

/** Under which id what a volume holds on a card is kept when it has been failed over from there. */
export function formerReservationId(volumeId: string, cardId: string): string {
  return `${volumeId}@${cardId}`;
}

/** Of what a volume holds: what is held for it on the cards that it was failed over from. */
export function formerReservations(
  { volumeId, formerCards }: Pick<VolumeRecord, 'volumeId' | 'formerCards'>,
  held: readonly ReservationRecord[],
): ReservationRecord[] {
  const ids = new Set(formerCards.map(({ cardId }) => formerReservationId(volumeId, cardId)));
  return held.filter(({ reservationId }) => ids.has(reservationId));
}

/** What a volume on its wanted stack holds on its card and its pools; `formerReservations` come beside. */
export function exactReservations(volume: Owner & { want: VolumeWant }, legs: readonly Placed[]): ReservationRecord[] {
  return [cardReservation(volume, volume.want), ...legReservations(volume.volumeId, volume.want, legs)];
}

export function cardReservation({ volumeId, cardId, functionId }: Owner, want: VolumeWant): ReservationRecord {
  // A read may have to pass the layers of every stack beneath.
  const demand = cardDemandOf(stacksOf(want).flatMap(layerKindsOf), want.qos);
  return {
    reservationId: volumeId,
    volumeId,
    ownerRole: 'card',
    ownerId: cardId,
    functionId,
    labels: want.labels,
    ...demand,
    capacityBytes: 0,
  };
}

/** Legs that the volume does not run on are a snapshot's: they hold their room, and nobody reads them. */
export function legReservations(volumeId: string, want: VolumeWant, legs: readonly Placed[]): ReservationRecord[] {
  const stacks = new Map(stacksOf(want).map((stack) => [stack.stackGeneration, stack]));
  const counts = Map.groupBy(legs, ({ stackGeneration }) => stackGeneration);
  return legs.map(({ legId, poolId, sizeBytes, stackGeneration }) => {
    const stack = stacks.get(stackGeneration);
    const legCount = counts.get(stackGeneration)?.length ?? 1;
    return {
      reservationId: legId,
      volumeId,
      ownerRole: 'pool',
      ownerId: poolId,
      functionId: null,
      labels: {},
      memoryBytes: 0,
      armCentiCores: 0,
      ...legDemandOf(stack ? layerKindsOf(stack) : [], stack ? want.qos : null, legCount, sizeBytes),
    };
  });
}

/** Of the layers that the card builds: what pools do takes nothing of it. */
export function layerKindsOf(want: Pick<VolumeWant, 'stack'>) {
  return cardLayersOf(want.stack.layers).map(({ kind }) => kind);
}

/** While a change is under way both its ends are reserved: the larger of each figure, and every leg of both. */
export function bothReservations(
  before: readonly ReservationRecord[],
  after: readonly ReservationRecord[],
): ReservationRecord[] {
  const wanted = new Map(after.map((one) => [one.reservationId, one]));
  const kept = before.map((one) => larger(one, wanted.get(one.reservationId)));
  const known = new Set(before.map((one) => one.reservationId));
  return [...kept, ...after.filter((one) => !known.has(one.reservationId))];
}

function larger(before: ReservationRecord, after: ReservationRecord | undefined): ReservationRecord {
  if (!after) return before;
  return {
    ...before,
    labels: after.labels,
    iops: Math.max(before.iops, after.iops),
    bytesPerSecond: Math.max(before.bytesPerSecond, after.bytesPerSecond),
    memoryBytes: Math.max(before.memoryBytes, after.memoryBytes),
    armCentiCores: Math.max(before.armCentiCores, after.armCentiCores),
    capacityBytes: Math.max(before.capacityBytes, after.capacityBytes),
  };
}
