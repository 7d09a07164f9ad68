import {
  CARD_BUCKET,
  type CardSnapshot,
  cardSnapshotSchema,
  POOL_BUCKET,
  type PoolSnapshot,
  poolSnapshotSchema,
} from '@flexbso/contracts';
import { type Bus, snapshotBucket, type SnapshotBucket as KvBucket } from '@flexbso/messaging';
import type { SnapshotBucket } from './snapshot-publisher.js';

/** Reading all snapshots of ten thousand cards takes seconds; longer means that the bus is away, and repair comes again. */
const readAllTimeoutMs = 60_000;

/**
 * Opens the two buckets that other services read.
 * @param requireBus throws while the bus is away: then nothing waits for a deadline
 */
export async function openBuckets(
  bus: Bus,
  requireBus: () => void,
): Promise<{ cards: SnapshotBucket<CardSnapshot>; pools: SnapshotBucket<PoolSnapshot> }> {
  const cards = await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema);
  const pools = await snapshotBucket(bus, POOL_BUCKET, poolSnapshotSchema);
  return { cards: adapted(cards, requireBus), pools: adapted(pools, requireBus) };
}

function adapted<Snapshot>(bucket: KvBucket<Snapshot>, requireBus: () => void): SnapshotBucket<Snapshot> {
  return {
    put: async (id, snapshot) => {
      requireBus();
      await bucket.put(id, snapshot);
    },
    remove: (id) => bucket.delete(id),
    all: (signal) => readAll(bucket, signal),
  };
}

/** What a watch tells before it is ready. */
async function readAll<Snapshot>(
  bucket: KvBucket<Snapshot>,
  stopped: AbortSignal,
): Promise<Map<string, Snapshot | null>> {
  const found = new Map<string, Snapshot | null>();
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(readAllTimeoutMs)]);
  for await (const change of bucket.watch(signal)) {
    if (change.type === 'ready') return found;
    if (change.type === 'deleted') found.delete(change.key);
    else found.set(change.key, change.type === 'put' ? change.value : null);
  }
  throw new Error('the published snapshots were not read to their end', { cause: signal.reason });
}
