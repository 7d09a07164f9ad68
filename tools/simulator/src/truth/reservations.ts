import type { MemoryCard, MemoryWorld } from '@flexbso/dataplane-memory';
import type { Fleet } from '@flexbso/placement';
import type { ReservationRecord } from '@flexbso/scheduler/deciding';
import type { Books } from './books.js';

/** Whatever is in use is reserved. @returns what is not */
export function unreserved(books: Books, world: MemoryWorld, cards: readonly MemoryCard[]): string[] {
  const ofLegs = [...world.legs.values()].flatMap(({ legId, poolId, sizeBytes }) => {
    const held = books.reservation(legId);
    if (held?.ownerId === poolId && held.capacityBytes >= sizeBytes) return [];
    const what = held ? `${held.capacityBytes} bytes on ${held.ownerId}` : 'nothing';
    return [`${legId} has ${sizeBytes} bytes on ${poolId}, and ${what} is reserved for it`];
  });
  const running = cards.flatMap((card) =>
    card.volumeIds().flatMap((volumeId) => {
      const held = books.reservations.some(
        (one) => one.ownerRole === 'card' && one.ownerId === card.cardId && one.volumeId === volumeId,
      );
      return held ? [] : [`${volumeId} runs on ${card.cardId}, and nothing is reserved for it`];
    }),
  );
  return [...ofLegs, ...running];
}

/** Whatever is reserved is for something that is recorded. @returns what is not */
export function reservedForNothing(books: Books): string[] {
  const volumes = new Map(books.volumes.map((volume) => [volume.volumeId, volume]));
  return books.reservations.flatMap(({ reservationId, volumeId, ownerRole, ownerId }) => {
    const volume = volumes.get(volumeId);
    if (volume === undefined) return [`${reservationId} is reserved on ${ownerId} for ${volumeId}, which is gone`];
    const isHeld =
      ownerRole === 'pool'
        ? books.poolOf(reservationId) === ownerId
        : [volume, ...volume.formerCards].some(({ cardId }) => cardId === ownerId);
    return isHeld ? [] : [`${reservationId} is reserved on ${ownerId}, where ${volumeId} has nothing`];
  });
}

/** What placement counts with is what is recorded, in every dimension, and what is promised to a guest is among it. */
export function miscounted(books: Books, fleet: Fleet): string[] {
  const volumes = new Map(books.volumes.map((volume) => [volume.volumeId, volume]));
  const counted = new Map<string, string>([
    ...[...fleet.legReservations()].map((one) => [one.legId, figuresOf({ ...one, ownerId: one.poolId })] as const),
    ...[...fleet.cardReservations()].map((one) => [one.volumeId, figuresOf({ ...one, ownerId: one.cardId })] as const),
  ]);
  const differing = books.reservations.flatMap((one) => {
    const [recorded, inBooks] = [figuresOf(one), counted.get(one.reservationId) ?? 'nothing'];
    counted.delete(one.reservationId);
    return recorded === inBooks ? [] : [`${one.reservationId}: ${recorded} is recorded, and ${inBooks} counted`];
  });
  const stray = [...counted].map(([id, figures]) => `${id}: ${figures} is counted, and nothing recorded`);
  const short = books.reservations.flatMap(({ reservationId, iops }) => {
    const limit = volumes.get(reservationId)?.want.qos?.iopsTotal ?? 0;
    return iops >= limit ? [] : [`${reservationId} may do ${limit} operations a second, and ${iops} are reserved`];
  });
  return [...differing, ...stray, ...short];
}

type Figures = Pick<ReservationRecord, 'ownerId' | 'iops' | 'bytesPerSecond'> &
  Partial<Pick<ReservationRecord, 'functionId' | 'memoryBytes' | 'armCentiCores' | 'capacityBytes'>>;

function figuresOf(one: Figures): string {
  const { ownerId, iops, bytesPerSecond, capacityBytes = 0, memoryBytes = 0, armCentiCores = 0 } = one;
  const amounts = [iops, bytesPerSecond, capacityBytes, memoryBytes, armCentiCores].join(' / ');
  return `${one.functionId ?? 'no function'} and ${amounts} of ${ownerId}`;
}
