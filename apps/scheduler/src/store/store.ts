import type { AgentRole, BsoEvent, Pause } from '@flexbso/contracts';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';

/** Where a page begins: after this item, in the order of creation and then of ids. */
export interface Cursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/** What the scheduler reads of its own state. Every list is bounded by the caller's `limit`, or by its owner (one volume, one agent). */
export interface StoreReader {
  volume(volumeId: string): Promise<VolumeRecord | null>;
  /** At most two: enough to see that a name is ambiguous. `tenantId` null looks in all tenants. */
  volumesNamed(name: string, tenantId: string | null): Promise<VolumeRecord[]>;
  /** Oldest first. */
  volumes(tenantId: string | null, after: Cursor | null, limit: number): Promise<VolumeRecord[]>;
  /** Volumes of whose legs anything bad is known. */
  volumesWithBadLegs(limit: number): Promise<VolumeRecord[]>;
  /** Volumes that have snapshots; oldest first. */
  volumesWithSnapshots(tenantId: string | null, after: Cursor | null, limit: number): Promise<VolumeRecord[]>;
  /**
   * Clones that read from a snapshot, or of which a snapshot does; MAX_CLONES bounds them. One that is being made whole
   * reads from it until its change is over.
   */
  volumesFrom(snapshotId: string): Promise<VolumeRecord[]>;
  legsOf(volumeId: string): Promise<LegRecord[]>;
  leg(legId: string): Promise<LegRecord | null>;
  keysOf(volumeId: string): Promise<KeyRecord[]>;
  change(changeId: string): Promise<ChangeRecord | null>;
  /** Newest first. */
  changes(filter: ChangeFilter, after: Cursor | null, limit: number): Promise<ChangeRecord[]>;
  /** Changes that are not over. */
  openChanges(): Promise<ChangeRecord[]>;
  /** How often a volume of this name was created, whatever became of it. */
  creationsOf(tenantId: string, name: string): Promise<number>;
  reservations(): Promise<ReservationRecord[]>;
  reservationsOf(volumeId: string): Promise<ReservationRecord[]>;
  agent(role: AgentRole, agentId: string): Promise<AgentRecord | null>;
  agents(): Promise<AgentRecord[]>;
  /** Entries above a revision, lowest revision first. */
  desired(role: AgentRole, agentId: string, sinceRevision: number): Promise<DesiredEntry[]>;
  pauses(): Promise<Pause[]>;
  desiredItem(role: AgentRole, agentId: string, itemId: string): Promise<DesiredEntry | null>;
}

export interface ChangeFilter {
  readonly tenantId: string | null;
  readonly volumeId: string | null;
}

export interface IdempotentCall<Reply> {
  readonly scope: string;
  readonly key: string;
  readonly requestDigest: string;
  readonly replySchema: { parse(kept: unknown): Reply };
}

/** Reading and writing inside one transaction. A `put` inserts or replaces the whole record. */
export interface StoreTransaction extends StoreReader {
  putVolume(volume: VolumeRecord): Promise<void>;
  deleteVolume(volumeId: string): Promise<void>;
  putLeg(leg: LegRecord): Promise<void>;
  deleteLeg(legId: string): Promise<void>;
  putKey(key: KeyRecord): Promise<void>;
  deleteKey(keyRef: string): Promise<void>;
  putChange(change: ChangeRecord): Promise<void>;
  putReservation(reservation: ReservationRecord): Promise<void>;
  deleteReservation(reservationId: string): Promise<void>;
  putAgent(agent: AgentRecord): Promise<void>;
  putDesired(entry: DesiredEntry): Promise<void>;
  putPause(pause: Pause): Promise<void>;
  /** Null: the fleet's. */
  deletePause(cardId: string | null): Promise<void>;
  deleteDesired(role: AgentRole, agentId: string, itemId: string): Promise<void>;
  /** Published in this order, if and only if the transaction commits. */
  enqueueEvents(events: readonly BsoEvent[], headers: Record<string, string>): Promise<void>;
  /** Runs `work` once for a key; the same request again gets the kept reply. */
  idempotent<Reply>(call: IdempotentCall<Reply>, work: () => Promise<Reply>): Promise<Reply>;
}

/**
 * The scheduler's database behind a port: TypeORM in a service, memory in a simulation; both pass one suite. One
 * scheduler is active, and it decides one thing at a time, so transactions need not guard against each other.
 */
export interface SchedulerStore {
  /** Commits when `work` resolves, else nothing of it remains. `work` may be run again: it changes nothing outside. */
  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  read<T>(work: (reader: StoreReader) => Promise<T>): Promise<T>;
  /** Which life of this database it is: made with the database, or anew by an operator after a restore. */
  incarnation(): Promise<string>;
  /** Begins another life of it. @returns its incarnation */
  renewIncarnation(): Promise<string>;
}
