import type { LegAccess, LegAddress, Volume } from '@flexbso/contracts';

/** A leg as the scheduler keeps it. */
export interface LegRecord {
  legId: string;
  volumeId: string;
  changeId: string;
  poolId: string;
  /** Its place among the legs of its stack. */
  position: number;
  stackGeneration: number;
  sizeBytes: number;
  epoch: number;
  holder: { cardId: string; sealingKey: string };
  state: Volume['legs'][number]['state'];
  role: 'preparing' | 'current' | 'frozen' | 'retiring';
  /** What the pool's desired entry carries; a report with another is an old one. */
  operationId: string;
  /** The pool owes the report that this operation is done. */
  awaited: boolean;
  /** The card was given this leg and has not said that it closed it: nobody deletes it. */
  heldByCard: boolean;
  addressKind: LegAddress['kind'];
  address: LegAddress | null;
  access: LegAccess;
}
