import type {
  Labels,
  LegFault,
  PlacementWish,
  Protocol,
  QosLimits,
  StackSpec,
  Volume,
  volumeStateSchema,
} from '@flexbso/contracts';
import type { z } from 'zod';
import type { FollowUp } from '../follow-up/follow-up.js';
import type { BaseStack, SnapshotRecord } from '../snapshots/snapshot-record.js';

export type VolumeState = z.infer<typeof volumeStateSchema>;

/** What is wanted of a volume: all that a change can make different. */
export interface VolumeWant {
  labels: Labels;
  sizeBytes: number;
  stack: StackSpec;
  /** Left out: no, as of volumes from before there was such a demand. */
  alwaysRedundant?: boolean;
  qos: QosLimits | null;
  placement: PlacementWish;
  /** The generation at which this stack became wanted; its legs and its key carry the same number. */
  stackGeneration: number;
  keyRef: string | null;
  /** The stacks beneath it, the nearest first, where it is an overlay. Left out: none. */
  bases?: BaseStack[];
  /** No card is to have anything of it; its legs stay as they are. Left out: it is attached. */
  detached?: true;
  /** Its stack was made while no card had the volume: header and overlay are still to be written. Left out: it was built. */
  neverBuilt?: true;
  /**
   * The database was put back to a copy from before its stack was made, and no card had it: nobody knows how its legs
   * belong together. It is not attached before it was rolled back to a snapshot. Left out: its stack is known.
   */
  lost?: true;
}

/** What a volume was before a change, to go back to. */
export interface VolumeBefore extends VolumeWant {
  /** There when the change moves it to another function of its card. */
  functionId?: string;
}

/** A card that a volume was failed over from, until it reports that nothing of the volume is left there. */
export interface FormerCard {
  cardId: string;
  functionId: string;
  /** Of the tombstone that it was given; a report with another is an old one. */
  operationId: string;
  sinceMs: number;
}

/** A volume as the scheduler keeps it. */
export interface VolumeRecord {
  volumeId: string;
  tenantId: string;
  name: string;
  protocol: Protocol;
  cardId: string;
  functionId: string;
  state: VolumeState;
  generation: number;
  appliedGeneration: number;
  settledGeneration: number;
  want: VolumeWant;
  uri: string | null;
  /** The latest change; another begins only when it is over. */
  changeId: Volume['changeId'];
  /** What the card's desired entry carries; a card's report with another is an old one. Null: the card was given nothing. */
  cardOperationId: string | null;
  /** End of its last outage that is recorded; a card's report names it again and again. Null: it had none. */
  lastOutageUntilMs: number | null;
  formerCards: FormerCard[];
  /** What its cards told of bad legs, by leg and kind; of legs that it still has. */
  legFaults: LegFault[];
  /** Oldest first. */
  snapshots: SnapshotRecord[];
  /** What comes after the change that is under way; null: nothing does. */
  followUp: FollowUp | null;
  /**
   * The life of the database in which it was made, or taken over by an operator: what cards and pools are told of it
   * since is an order of that life, and no difference from it. Null: an older one.
   */
  settledIn: string | null;
  createdAtMs: number;
}
