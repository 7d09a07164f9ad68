import type { BsoEvent, DesiredVolume, MadeIdPrefix, Pause } from '@flexbso/contracts';
import { copyOf } from '@flexbso/stack';
import type { DesiredWrite } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { ChangeRecord } from './change-record.js';

/** A volume with all that belongs to it; what one decision is made about. */
export interface Aggregate {
  volume: VolumeRecord;
  /** The volume's latest change. */
  change: ChangeRecord;
  legs: LegRecord[];
  keys: KeyRecord[];
  reservations: ReservationRecord[];
  /** What the card was last given for this volume; null: nothing. */
  given: DesiredVolume | null;
}

/** An event before its commit names time, tenant and trace. */
export type EventDraft = Pick<BsoEvent, 'kind' | 'id' | 'what' | 'data'>;

/**
 * A decision in the making: the aggregate as it will be, and what follows from that. Deciding code changes a draft
 * and nothing else; the shell writes the draft in one transaction, or throws it away.
 */
export interface Draft extends Aggregate {
  desired: DesiredWrite[];
  events: EventDraft[];
  /** Records of what happened to the volume beside its changes: over as soon as they are known. */
  healed: ChangeRecord[];
  /** Changes that ended because another took their place: the one before, a queued one. */
  superseded: ChangeRecord[];
  /** What waits, or waited, for its turn, where this decision is about it. */
  queued: ChangeRecord | null;
  /** The volume is gone from all cards and pools: its row goes too. */
  volumeGone: boolean;
}

/** What deciding needs from outside, as plain values. */
export interface Deciding {
  readonly nowMs: number;
  readonly newId: (prefix: MadeIdPrefix) => string;
  readonly copyBytesPerSecond: number;
  /** What holds the changes of a card: its own pause, or the fleet's; null: nothing does. */
  readonly pauseOf: (cardId: string) => Pause | null;
}

export function draftOf(aggregate: Aggregate): Draft {
  const own = { desired: [], events: [], healed: [], superseded: [], queued: null, volumeGone: false };
  return { ...copyOf(aggregate), ...own };
}

/** The aggregate that the draft has become. */
export function aggregateOf({ volume, change, legs, keys, reservations, given }: Draft): Aggregate {
  return { volume, change, legs, keys, reservations, given };
}
