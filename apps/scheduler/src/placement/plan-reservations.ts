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
    const of = (held: readonly ReservationRecord[]) => held.filter((one) => ownerKey(one) === key);
    const roomIn = (held: readonly ReservationRecord[]) => roomOf(of(held));
    const functionsIn = (held: readonly ReservationRecord[]) => functionsOf(of(held));
    return {
      owner: { role: first.ownerRole, id: first.ownerId },
      functionId: first.functionId,
      functionIds: { before: functionsIn(before), during: functionsIn(during), after: functionsIn(after) },
      before: roomIn(before),
      during: roomIn(during),
      after: roomIn(after),
    };
  });
}

function ownerKey({ ownerRole, ownerId }: ReservationRecord): string {
  return `${ownerRole} ${ownerId}`;
}

function functionsOf(held: readonly ReservationRecord[]): string[] {
  return [...new Set(held.flatMap(({ functionId }) => functionId ?? []))].toSorted();
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
