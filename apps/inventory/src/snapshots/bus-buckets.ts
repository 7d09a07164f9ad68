import {
  CARD_BUCKET,
  type CardSnapshot,
  cardSnapshotSchema,
  POOL_BUCKET,
  type PoolSnapshot,
  poolSnapshotSchema,
} from '@flexbso/contracts';
import { type Bus, snapshotBucket, type SnapshotBucket as KvBucket, SnapshotConflictError } from '@flexbso/messaging';
import { type BucketEntry, FencedBucket, type Permission, type VersionedBucket } from './fenced-bucket.js';
import type { SnapshotBucket } from './snapshot-publisher.js';

/** Reading all snapshots of ten thousand cards takes seconds; longer means that the bus is away, and repair comes again. */
const readAllTimeoutMs = 60_000;

/** Opens the two buckets that other services read. */
export async function openBuckets(
  bus: Bus,
  permission: Permission,
): Promise<{ cards: SnapshotBucket<CardSnapshot>; pools: SnapshotBucket<PoolSnapshot> }> {
  const cards = await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema);
  const pools = await snapshotBucket(bus, POOL_BUCKET, poolSnapshotSchema);
  return {
    cards: new FencedBucket(new BusBucket(cards), permission),
    pools: new FencedBucket(new BusBucket(pools), permission),
  };
}

/** A bucket on the bus. */
export class BusBucket<Snapshot> implements VersionedBucket<Snapshot> {
  readonly #bucket: KvBucket<Snapshot>;

  constructor(bucket: KvBucket<Snapshot>) {
    this.#bucket = bucket;
  }

  async put(id: string, snapshot: Snapshot, previousRevision: number): Promise<number | null> {
    try {
      return await this.#bucket.put(id, snapshot, { previousRevision });
    } catch (error) {
      if (error instanceof SnapshotConflictError) return null;
      throw error;
    }
  }

  revisionOf(id: string): Promise<number> {
    return this.#bucket.revisionOf(id);
  }

  delete(id: string): Promise<void> {
    return this.#bucket.delete(id);
  }

  /** What a watch tells before it is ready. */
  async entries(stopped: AbortSignal): Promise<BucketEntry<Snapshot>[]> {
    const found = new Map<string, BucketEntry<Snapshot>>();
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(readAllTimeoutMs)]);
    for await (const change of this.#bucket.watch(signal)) {
      if (change.type === 'ready') return [...found.values()];
      const { key: id, revision } = change;
      const snapshot = change.type === 'put' ? change.value : null;
      found.set(id, { id, revision, isDeleted: change.type === 'deleted', snapshot });
    }
    throw new Error('the published snapshots were not read to their end', { cause: signal.reason });
  }
}
