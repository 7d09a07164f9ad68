import type { Labels } from '@flexbso/contracts';
import type { CardDemand, LegDemand } from './costs.js';

/** What a volume holds on its card. One a volume, by its id. */
export interface CardReservation extends CardDemand {
  readonly volumeId: string;
  readonly cardId: string;
  /** Taken while it is held. */
  readonly functionId: string;
  /** The volume's own, for affinity. */
  readonly labels: Labels;
}

/** What a leg holds on its pool. One a leg, by its id; released on the pool's report that the leg is deleted. */
export interface LegReservation extends LegDemand {
  readonly legId: string;
  readonly poolId: string;
}

/** What is to be held together: all of it or nothing. A change of pools has legs and no card. */
export interface Reservation {
  readonly card: CardReservation | null;
  readonly legs: readonly LegReservation[];
}
