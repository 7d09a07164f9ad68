import { CARD_BUCKET, cardSnapshotSchema, POOL_BUCKET, poolSnapshotSchema } from '@flexbso/contracts';
import { type Bus, type SnapshotChange, snapshotBucket } from '@flexbso/messaging';
import { logger } from '@flexbso/observability';
import type { z } from 'zod';
import type { Scheduler } from '../scheduler.js';

const log = logger('snapshots');

/** Follows inventory's snapshots of cards and pools. */
export interface SnapshotWatch {
  /** Everything that was published before the watch began has been heard. */
  readonly loaded: Promise<void>;
  stop(): Promise<void>;
}

export async function watchSnapshots(bus: Bus, scheduler: Scheduler): Promise<SnapshotWatch> {
  const abort = new AbortController();
  const cards = await follow(bus, CARD_BUCKET, cardSnapshotSchema, abort.signal, {
    put: (snapshot) => scheduler.hearCardSnapshot(snapshot),
    deleted: (cardId) => scheduler.forgetCard(cardId),
  });
  const pools = await follow(bus, POOL_BUCKET, poolSnapshotSchema, abort.signal, {
    put: (snapshot) => scheduler.hearPoolSnapshot(snapshot),
    deleted: (poolId) => scheduler.forgetPool(poolId),
  });
  return {
    loaded: Promise.all([cards.loaded, pools.loaded]).then(() => undefined),
    stop: async () => {
      abort.abort();
      await Promise.all([cards.ended, pools.ended]);
    },
  };
}

interface Take<T> {
  readonly put: (snapshot: T) => void;
  readonly deleted: (key: string) => void;
}

async function follow<T>(bus: Bus, name: string, schema: z.ZodType<T>, signal: AbortSignal, take: Take<T>) {
  const bucket = await snapshotBucket(bus, name, schema, {
    onError: (error) => log.warn('watch lost, begun anew', { bucket: name, error }),
  });
  const ready = Promise.withResolvers<void>();
  const run = async () => {
    for await (const change of bucket.watch(signal)) hear(name, change, take, ready.resolve);
  };
  const ended = run().catch((error: unknown) => log.error('watch ended', { bucket: name, error }));
  return { loaded: ready.promise, ended };
}

function hear<T>(bucket: string, change: SnapshotChange<T>, take: Take<T>, ready: () => void): void {
  switch (change.type) {
    case 'put':
      take.put(change.value);
      return;
    case 'deleted':
      take.deleted(change.key);
      return;
    case 'invalid':
      // What was known of it before stays true.
      log.error('snapshot fits no schema', { bucket, key: change.key, error: change.error });
      return;
    case 'ready':
      ready();
  }
}
