import type { Labels } from '@flexbso/contracts';

/**
 * What a volume holds on its card (`reservationId` is the volume's id; on a card that it was failed over from, that id
 * with the card's), or a leg on its pool (the leg's id). Released only when the card, or the pool, has said that the
 * thing is gone.
 */
export interface ReservationRecord {
  reservationId: string;
  volumeId: string;
  ownerRole: 'card' | 'pool';
  ownerId: string;
  /** Null for a pool. */
  functionId: string | null;
  /** The volume's, for affinity between volumes on a card; empty for a pool. */
  labels: Labels;
  iops: number;
  bytesPerSecond: number;
  /** Zero for a pool. */
  memoryBytes: number;
  armCentiCores: number;
  /** Zero for a card. */
  capacityBytes: number;
}
