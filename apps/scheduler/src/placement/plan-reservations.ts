import type { PlanReservation, Room } from '@flexbso/contracts';
import type { ReservationRecord } from './reservation-record.js';

/** What a volume holds before its change, while it is under way, and once it is settled. */
export interface HeldOverChange {
  readonly before: readonly ReservationRecord[];
  readonly during: readonly ReservationRecord[];
  readonly after: readonly ReservationRecord[];
}

/** As a plan shows it: added up for each card and pool, cards first, by id. The same for the same plan. */
export function planReservations({ before, during, after }: HeldOverChange): PlanReservation[] {
  const byOwner = Map.groupBy([...during, ...before, ...after], ownerKey);
  const inOrder = [...byOwner].toSorted(([left], [right]) => (left < right ? -1 : 1));
  return inOrder.flatMap(([key, [first]]) => {
    if (!first) return [];
    const roomIn = (held: readonly ReservationRecord[]) => roomOf(held.filter((one) => ownerKey(one) === key));
    return {
      owner: { role: first.ownerRole, id: first.ownerId },
      functionId: first.functionId,
      before: roomIn(before),
      during: roomIn(during),
      after: roomIn(after),
    };
  });
}

function ownerKey({ ownerRole, ownerId }: ReservationRecord): string {
  return `${ownerRole} ${ownerId}`;
}

function roomOf(held: readonly ReservationRecord[]): Room {
  const sum = (of: (one: ReservationRecord) => number) => held.reduce((total, one) => total + of(one), 0);
  return {
    capacityBytes: sum(({ capacityBytes }) => capacityBytes),
    iops: sum(({ iops }) => iops),
    bytesPerSecond: sum(({ bytesPerSecond }) => bytesPerSecond),
    memoryBytes: sum(({ memoryBytes }) => memoryBytes),
    armCentiCores: sum(({ armCentiCores }) => armCentiCores),
  };
}
