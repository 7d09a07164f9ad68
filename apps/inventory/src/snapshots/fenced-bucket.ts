import type { SnapshotBucket } from './snapshot-publisher.js';

/** Whether this inventory may publish. */
export interface Permission {
  /** Throws when the lease is over by our own clock, and while the bus is away: then nothing waits for a deadline. */
  require(): void;
  /** Asks the database whether the lease is still ours. Rejects when it is not. */
  confirm(): Promise<void>;
}

/** What was last written of an id. */
export interface BucketEntry<Snapshot> {
  readonly id: string;
  readonly revision: number;
  /** A tombstone. */
  readonly isDeleted: boolean;
  /** Null: it fits no schema, or is deleted. */
  readonly snapshot: Snapshot | null;
}

/** A bucket of snapshots that counts, for all who write to it, how often it was written to. */
export interface VersionedBucket<Snapshot> {
  /**
   * Writes unless somebody has written of the id since `previousRevision`; 0: nothing was ever written of it.
   * @returns the revision of this write; null: somebody has
   */
  put(id: string, snapshot: Snapshot, previousRevision: number): Promise<number | null>;
  /** Of what was last written of the id, a deletion too; 0: nothing ever was. */
  revisionOf(id: string): Promise<number>;
  /** Leaves a tombstone. */
  delete(id: string): Promise<void>;
  /** Rejects when it cannot be read to the end, or when the signal is aborted before. */
  entries(signal: AbortSignal): Promise<readonly BucketEntry<Snapshot>[]>;
}

/**
 * A bucket that a replaced inventory cannot set back. The bus knows nothing of the lease, and between a look at the
 * clock and a write anything may happen; so each write names the revision that it follows. Where a successor has
 * written, that of its predecessor is refused; where the predecessor was quicker, the successor's is refused, which
 * then asks the database who holds the lease, and writes over it.
 */
export class FencedBucket<Snapshot> implements SnapshotBucket<Snapshot> {
  readonly #bucket: VersionedBucket<Snapshot>;
  readonly #permission: Permission;
  /** By id, of what was last read or written. As large as the fleet. */
  readonly #revisions = new Map<string, number>();

  constructor(bucket: VersionedBucket<Snapshot>, permission: Permission) {
    this.#bucket = bucket;
    this.#permission = permission;
  }

  async put(id: string, snapshot: Snapshot): Promise<void> {
    this.#permission.require();
    // What was there at the start was read then: an unknown id is most likely new.
    if (await this.#putAfter(this.#revisions.get(id) ?? 0, id, snapshot)) return;
    const revision = await this.#bucket.revisionOf(id);
    // After the look: what was written before it by a predecessor may be written over, what comes later is refused.
    await this.#permission.confirm();
    if (await this.#putAfter(revision, id, snapshot)) return;
    throw new Error(`the snapshot ${id} was written by somebody else meanwhile`);
  }

  async remove(id: string): Promise<void> {
    this.#permission.require();
    await this.#bucket.delete(id);
    this.#revisions.delete(id);
  }

  async all(signal: AbortSignal): Promise<Map<string, Snapshot | null>> {
    const found = new Map<string, Snapshot | null>();
    for (const { id, revision, isDeleted, snapshot } of await this.#bucket.entries(signal)) {
      this.#revisions.set(id, revision);
      if (!isDeleted) found.set(id, snapshot);
    }
    return found;
  }

  async #putAfter(previousRevision: number, id: string, snapshot: Snapshot): Promise<boolean> {
    const revision = await this.#bucket.put(id, snapshot, previousRevision);
    if (revision !== null) this.#revisions.set(id, revision);
    return revision !== null;
  }
}
