import { cardDemandOf, legDemandOf } from '@flexbso/placement';
import { cardLayersOf, type CopyRate, copyRateOf } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import { carriersOf, stacksOf } from '../snapshots/kept-stacks.js';
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

/** What a volume on its wanted stack holds on its card, if it is attached, and its pools; `formerReservations` come beside. */
export function exactReservations(volume: Owner & { want: VolumeWant }, legs: readonly Placed[]): ReservationRecord[] {
  const { volumeId, want } = volume;
  return [...(want.detached ? [] : [cardReservation(volume, want)]), ...legReservations(volumeId, want, legs)];
}

/** The function that a volume leaves, until its card has said that it is shown on another. Nothing else is held twice. */
export function leftFunctionReservation({ volumeId, cardId, functionId }: Owner): ReservationRecord {
  return {
    reservationId: `${volumeId}/${functionId}`,
    volumeId,
    ownerRole: 'card',
    ownerId: cardId,
    functionId,
    labels: {},
    iops: 0,
    bytesPerSecond: 0,
    memoryBytes: 0,
    armCentiCores: 0,
    capacityBytes: 0,
  };
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

/**
 * Legs that the volume does not run on are a snapshot's: they hold their room, and nobody reads them. `copy`: with what a
 * copy from or to these legs takes beside the guest.
 */
export function legReservations(
  volumeId: string,
  want: VolumeWant,
  legs: readonly Placed[],
  copy?: CopyRate,
): ReservationRecord[] {
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
      ...legDemandOf(stack ? layerKindsOf(stack) : [], stack ? want.qos : null, legCount, sizeBytes, stack && copy),
    };
  });
}

/**
 * What legs hold while a copy runs between these stacks: the guest's rate and the copy's, on the pools of both. A copy reads
 * all that an overlay stands on, but for one that is written back into its own base.
 */
export function copyReservations(
  { volumeId }: Pick<VolumeRecord, 'volumeId'>,
  from: VolumeWant,
  to: VolumeWant,
  legs: readonly Placed[],
  copyBytesPerSecond: number,
): ReservationRecord[] {
  const isWrittenBack = from.bases?.[0]?.stackGeneration === to.stackGeneration;
  const read = isWrittenBack ? [from.stackGeneration] : carriersOf(from);
  const rate = copyRateOf(copyBytesPerSecond);
  return [
    ...legReservations(volumeId, from, ofStacks(legs, read), rate),
    ...legReservations(volumeId, to, ofStacks(legs, [to.stackGeneration]), rate),
  ];
}

function ofStacks<Leg extends Pick<LegRecord, 'stackGeneration'>>(
  legs: readonly Leg[],
  generations: readonly number[],
) {
  return legs.filter(({ stackGeneration }) => generations.includes(stackGeneration));
}

/** What the copy of a swap takes: of each pool that it writes, and, by pool id, of those that it reads. */
export interface CopyDemand {
  readonly rate: CopyRate;
  readonly beside: ReadonlyMap<string, CopyRate>;
}

/** What placement has to find room for, so that such a copy can run from what a volume stands on to new legs. */
export function copyDemandOf(
  { want }: Pick<VolumeRecord, 'want'>,
  legs: readonly Pick<LegRecord, 'poolId' | 'stackGeneration'>[],
  copyBytesPerSecond: number,
): CopyDemand {
  const rate = copyRateOf(copyBytesPerSecond);
  const beside = new Map<string, CopyRate>();
  for (const stack of stacksOf(want)) {
    const ofStack = ofStacks(stack.legs ?? legs, [stack.stackGeneration]);
    const each = legDemandOf(layerKindsOf(stack), null, ofStack.length, 0, rate);
    for (const { poolId } of ofStack) {
      // A pool may have a leg of several stacks that lie upon each other.
      const { iops = 0, bytesPerSecond = 0 } = beside.get(poolId) ?? {};
      beside.set(poolId, { iops: iops + each.iops, bytesPerSecond: bytesPerSecond + each.bytesPerSecond });
    }
  }
  return { rate, beside };
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
