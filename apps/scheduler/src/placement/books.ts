import type { Problem } from '@flexbso/contracts';
import type { CardReservation, Fleet, LegReservation } from '@flexbso/placement';
import { isSame } from '@flexbso/stack';
import type { ReservationRecord } from './reservation-record.js';

/**
 * Keeps the fleet's books in step with one transaction: entries are made while it runs, and taken back when it fails.
 * Decisions are made one at a time, so nobody sees an entry that is taken back.
 */
export class BookEntries {
  readonly #fleet: Fleet;
  #made: { before: ReservationRecord | null; after: ReservationRecord | null }[] = [];

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /**
   * Replaces what a volume holds. `judged`: only if cards and pools have room for it, else nothing is changed and the
   * problem says what lacks; what was granted before needs no judging when some of it is given back.
   */
  replace(before: readonly ReservationRecord[], after: readonly ReservationRecord[], judged: boolean): Problem | null {
    const mark = this.#made.length;
    const wanted = new Map(after.map((one) => [one.reservationId, one]));
    const held = new Map(before.map((one) => [one.reservationId, one]));
    for (const one of before) if (!wanted.has(one.reservationId)) this.#enter(one, null, judged);
    for (const one of after) {
      const was = held.get(one.reservationId) ?? null;
      const problem = isSame(was, one) ? null : this.#enter(was, one, judged);
      if (!problem) continue;
      this.#takeBack(mark);
      return problem;
    }
    return null;
  }

  rollBack(): void {
    this.#takeBack(0);
  }

  #takeBack(mark: number): void {
    while (this.#made.length > mark) {
      const entry = this.#made.pop();
      if (entry) this.#write(entry.after, entry.before, false);
    }
  }

  #enter(before: ReservationRecord | null, after: ReservationRecord | null, judged: boolean): Problem | null {
    const problem = this.#write(before, after, judged);
    if (!problem) this.#made.push({ before, after });
    return problem;
  }

  #write(before: ReservationRecord | null, after: ReservationRecord | null, judged: boolean): Problem | null {
    if (before) release(this.#fleet, before);
    if (!after) return null;
    const reservation = reservationOf(after);
    const problem = judged ? this.#fleet.reserve(reservation) : null;
    if (!judged) this.#fleet.adopt(reservation);
    if (problem && before) this.#fleet.adopt(reservationOf(before));
    return problem;
  }
}

function release(fleet: Fleet, { ownerRole, reservationId }: ReservationRecord): void {
  const wasHeld = ownerRole === 'card' ? fleet.releaseCard(reservationId) : fleet.releaseLeg(reservationId);
  if (!wasHeld) throw new Error(`the books do not hold ${reservationId}, which the database does`);
}

function reservationOf(record: ReservationRecord): { card: CardReservation | null; legs: LegReservation[] } {
  return record.ownerRole === 'card' ? { card: cardOf(record), legs: [] } : { card: null, legs: [legOf(record)] };
}

function cardOf({
  volumeId,
  ownerId,
  functionId,
  labels,
  iops,
  bytesPerSecond,
  memoryBytes,
  armCentiCores,
}: ReservationRecord): CardReservation {
  if (functionId === null) throw new Error(`the reservation of ${volumeId} on card ${ownerId} names no function`);
  return { volumeId, cardId: ownerId, functionId, labels, iops, bytesPerSecond, memoryBytes, armCentiCores };
}

function legOf({ reservationId, ownerId, capacityBytes, iops, bytesPerSecond }: ReservationRecord): LegReservation {
  return { legId: reservationId, poolId: ownerId, capacityBytes, iops, bytesPerSecond };
}

/** Loads what the database says is held; at start, before anything is decided. */
export function loadBooks(fleet: Fleet, reservations: readonly ReservationRecord[]): void {
  for (const record of reservations) fleet.adopt(reservationOf(record));
}

/** Forgets what is held: it is loaded anew. */
export function emptyBooks(fleet: Fleet): void {
  for (const { volumeId } of fleet.cardReservations()) fleet.releaseCard(volumeId);
  for (const { legId } of fleet.legReservations()) fleet.releaseLeg(legId);
}

/**
 * Compares the books with the database.
 * @returns each reservation id on which they differ; empty when reservations equal what is held.
 */
export function differencesOfBooks(fleet: Fleet, reservations: readonly ReservationRecord[]): string[] {
  const stored = new Map(reservations.map((record) => [record.reservationId, record]));
  const held = new Map<string, CardReservation | LegReservation>();
  for (const card of fleet.cardReservations()) held.set(card.volumeId, card);
  for (const leg of fleet.legReservations()) held.set(leg.legId, leg);
  const ids = new Set([...stored.keys(), ...held.keys()]);
  return [...ids].filter((id) => {
    const record = stored.get(id);
    return !record || !isSame(record.ownerRole === 'card' ? cardOf(record) : legOf(record), held.get(id) ?? null);
  });
}
