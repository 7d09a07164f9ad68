import {
  CARD_BUCKET,
  type CardSnapshot,
  cardSnapshotSchema,
  POOL_BUCKET,
  type PoolSnapshot,
  poolSnapshotSchema,
} from '@flexbso/contracts';
import { type Bus, snapshotBucket, type SnapshotBucket as KvBucket, SnapshotConflictError } from '@flexbso/messaging';
import type { SnapshotBucket } from './snapshot-publisher.js';

/** Reading all snapshots of ten thousand cards takes seconds; longer means that the bus is away, and repair comes again. */
const readAllTimeoutMs = 60_000;

/** Whether this inventory may publish. */
export interface Permission {
  /** Throws when the lease is over by our own clock, and while the bus is away: then nothing waits for a deadline. */
  require(): void;
  /** Asks the database whether the lease is still ours. Rejects when it is not. */
  confirm(): Promise<void>;
}

/** Opens the two buckets that other services read. */
export async function openBuckets(
  bus: Bus,
  permission: Permission,
): Promise<{ cards: SnapshotBucket<CardSnapshot>; pools: SnapshotBucket<PoolSnapshot> }> {
  const cards = await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema);
  const pools = await snapshotBucket(bus, POOL_BUCKET, poolSnapshotSchema);
  return { cards: new FencedBucket(cards, permission), pools: new FencedBucket(pools, permission) };
}

/**
 * A bucket that a replaced inventory cannot set back. The bus knows nothing of the lease, and between a look at the
 * clock and a write anything may happen; so each write names the revision that it follows. Where a successor has
 * written, that of its predecessor is refused; where the predecessor was quicker, the successor's is refused, which
 * then asks the database who holds the lease, and writes over it.
 */
export class FencedBucket<Snapshot> implements SnapshotBucket<Snapshot> {
  readonly #bucket: KvBucket<Snapshot>;
  readonly #permission: Permission;
  /** By id, of what was last read or written. As large as the fleet. */
  readonly #revisions = new Map<string, number>();

  constructor(bucket: KvBucket<Snapshot>, permission: Permission) {
    this.#bucket = bucket;
    this.#permission = permission;
  }

  async put(id: string, snapshot: Snapshot): Promise<void> {
    this.#permission.require();
    try {
      // What was there at the start was read then: an unknown id is most likely new.
      await this.#putAfter(this.#revisions.get(id) ?? 0, id, snapshot);
    } catch (error) {
      if (!(error instanceof SnapshotConflictError)) throw error;
      const revision = await this.#bucket.revisionOf(id);
      // After the look: what was written before it by a predecessor may be written over, what comes later is refused.
      await this.#permission.confirm();
      await this.#putAfter(revision, id, snapshot);
    }
  }

  async remove(id: string): Promise<void> {
    this.#permission.require();
    await this.#bucket.delete(id);
    this.#revisions.delete(id);
  }

  /** What a watch tells before it is ready. */
  async all(stopped: AbortSignal): Promise<Map<string, Snapshot | null>> {
    const found = new Map<string, Snapshot | null>();
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(readAllTimeoutMs)]);
    for await (const change of this.#bucket.watch(signal)) {
      if (change.type === 'ready') return found;
      this.#revisions.set(change.key, change.revision);
      if (change.type === 'deleted') found.delete(change.key);
      else found.set(change.key, change.type === 'put' ? change.value : null);
    }
    throw new Error('the published snapshots were not read to their end', { cause: signal.reason });
  }

  async #putAfter(previousRevision: number, id: string, snapshot: Snapshot): Promise<void> {
    this.#revisions.set(id, await this.#bucket.put(id, snapshot, { previousRevision }));
  }
}
