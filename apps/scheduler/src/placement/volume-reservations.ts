import { cardDemandOf, legDemandOf } from '@flexbso/placement';
import { cardLayersOf, type CopyRate, copyRateOf } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import type { ReservationRecord } from './reservation-record.js';

type Owner = Pick<VolumeRecord, 'volumeId' | 'cardId' | 'functionId'>;
type Placed = Pick<LegRecord, 'legId' | 'poolId' | 'sizeBytes'>;

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
  const demand = cardDemandOf(layerKindsOf(want), want.qos);
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

/** `copy`: with what a copy from or to these legs takes beside the guest. */
export function legReservations(
  volumeId: string,
  want: VolumeWant,
  legs: readonly Placed[],
  copy?: CopyRate,
): ReservationRecord[] {
  return legs.map(({ legId, poolId, sizeBytes }) => ({
    reservationId: legId,
    volumeId,
    ownerRole: 'pool',
    ownerId: poolId,
    functionId: null,
    labels: {},
    memoryBytes: 0,
    armCentiCores: 0,
    ...legDemandOf(layerKindsOf(want), want.qos, legs.length, sizeBytes, copy),
  }));
}

/** What legs hold while a copy runs between these stacks: the guest's rate and the copy's, on the pools of both. */
export function copyReservations(
  { volumeId }: Pick<VolumeRecord, 'volumeId'>,
  wants: readonly VolumeWant[],
  legs: readonly (Placed & Pick<LegRecord, 'stackGeneration'>)[],
  copyBytesPerSecond: number,
): ReservationRecord[] {
  return wants.flatMap((want) => {
    const ofStack = legs.filter(({ stackGeneration }) => stackGeneration === want.stackGeneration);
    return legReservations(volumeId, want, ofStack, copyRateOf(copyBytesPerSecond));
  });
}

/** What the copy of a swap takes: of each pool that it writes, and, by pool id, of those that it reads. */
export interface CopyDemand {
  readonly rate: CopyRate;
  readonly beside: ReadonlyMap<string, CopyRate>;
}

/** What placement has to find room for, so that such a copy can run from `legs` to new ones. */
export function copyDemandOf(
  { want }: Pick<VolumeRecord, 'want'>,
  legs: readonly Pick<LegRecord, 'poolId'>[],
  copyBytesPerSecond: number,
): CopyDemand {
  const rate = copyRateOf(copyBytesPerSecond);
  const beside = new Map(
    legs.map(({ poolId }) => [poolId, legDemandOf(layerKindsOf(want), null, legs.length, 0, rate)]),
  );
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
