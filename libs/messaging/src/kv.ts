import { DiscardPolicy, JetStreamApiCodes, JetStreamApiError, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV, type KvEntry, type KvWatchEntry } from '@nats-io/kv';
import type { QueuedIterator } from '@nats-io/transport-node';
import { MAX_MESSAGE_BYTES } from '@flexbso/contracts';
import type { z } from 'zod';
import { backoffMs, delay } from './backoff.js';
import type { Bus } from './connection.js';
import { decodeJson, encodeJson, parseOrRefuse } from './envelope.js';
import { ensureStream } from './jetstream/stream.js';

/** What a watcher learns, in the order in which it was written. */
export type SnapshotChange<T> =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: T;
      readonly revision: number;
      readonly initial: boolean;
    }
  /** Explicitly deleted. A key that is merely not named is not thereby gone. */
  | { readonly type: 'deleted'; readonly key: string; readonly revision: number; readonly initial: boolean }
  /** An entry that fits no schema; what was known of the key before stays true. */
  | { readonly type: 'invalid'; readonly key: string; readonly revision: number; readonly error: unknown }
  /** Everything that was there when the watch began has been told. Comes again when a lost watch was begun anew. */
  | { readonly type: 'ready' };

export interface SnapshotBucketOptions {
  /** A lost watch is begun anew; this says why it was lost. */
  readonly onError?: (error: unknown) => void;
}

/** Somebody else wrote the key since the revision that was expected. */
export class SnapshotConflictError extends Error {
  override readonly name = 'SnapshotConflictError';
  readonly code = 'snapshot_conflict';

  constructor(key: string, options: ErrorOptions) {
    super(`the snapshot ${key} was written by somebody else meanwhile`, options);
  }
}

/** A cell has some thousand cards; a snapshot has a few kB. */
const MAX_BUCKET_BYTES = 128 * 1024 ** 2;
const RESTART = { firstMs: 250, maxMs: 5_000 };

/**
 * Opens a KV bucket of snapshots (`CARD_BUCKET`, `POOL_BUCKET`), creating it where it is missing, and compares
 * its settings with those asked for.
 *
 * @throws StreamSettingsError when the server keeps it otherwise
 */
export async function snapshotBucket<T>(
  bus: Bus,
  name: string,
  schema: z.ZodType<T>,
  options: SnapshotBucketOptions = {},
): Promise<SnapshotBucket<T>> {
  await ensureStream(bus, {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    // The state, not its history: that is in the event stream.
    max_msgs_per_subject: 1,
    max_bytes: MAX_BUCKET_BYTES,
    max_msg_size: MAX_MESSAGE_BYTES,
    allow_rollup_hdrs: true,
    allow_direct: true,
    deny_delete: false,
  });
  const bucket = await new Kvm(bus.connection).open(name, { allow_direct: true });
  return new SnapshotBucket(bucket, schema, options);
}

/** The latest state of many things by key, validated on the way in and out. One service writes, others watch. */
export class SnapshotBucket<T> {
  readonly #bucket: KV;
  readonly #schema: z.ZodType<T>;
  readonly #options: SnapshotBucketOptions;

  constructor(bucket: KV, schema: z.ZodType<T>, options: SnapshotBucketOptions) {
    this.#bucket = bucket;
    this.#schema = schema;
    this.#options = options;
  }

  /**
   * Stores a value; with `previousRevision` (0: nothing was ever written) only if nobody else wrote meanwhile.
   * @returns its revision
   * @throws SnapshotConflictError when somebody did
   */
  async put(key: string, value: T, options: { readonly previousRevision?: number } = {}): Promise<number> {
    parseOrRefuse(this.#schema, value, `the snapshot ${key}`);
    const data = encodeJson(value, `the snapshot ${key}`);
    const { previousRevision } = options;
    try {
      return await this.#bucket.put(key, data, previousRevision === undefined ? {} : { previousSeq: previousRevision });
    } catch (error) {
      if (!isConflict(error)) throw error;
      throw new SnapshotConflictError(key, { cause: error });
    }
  }

  /** Of what was last written of the key, a deletion too; 0: nothing ever was. */
  async revisionOf(key: string): Promise<number> {
    return (await this.#bucket.get(key))?.revision ?? 0;
  }

  /** Leaves an explicit tombstone that watchers are told of. */
  delete(key: string): Promise<void> {
    return this.#bucket.delete(key);
  }

  /** Null when it never was or is deleted. Throws the `invalid-request` problem for an entry that fits no schema. */
  async get(key: string): Promise<{ readonly value: T; readonly revision: number } | null> {
    const entry = await this.#bucket.get(key);
    if (!entry || entry.operation !== 'PUT') return null;
    return { value: this.#parse(entry), revision: entry.revision };
  }

  /**
   * Tells all that is there, then `ready`, then every change, until the signal is aborted. A watch that is lost
   * is begun anew: everything is told again, and `ready` again.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<SnapshotChange<T>, void, undefined> {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        for await (const change of this.#watchOnce(signal)) {
          attempt = 0;
          yield change;
        }
      } catch (error) {
        this.#options.onError?.(error);
      }
      // An abort ends the wait; the loop sees it in the signal.
      if (!signal.aborted) await delay(backoffMs(attempt, RESTART), signal).catch(() => undefined);
    }
  }

  async *#watchOnce(signal: AbortSignal): AsyncGenerator<SnapshotChange<T>, void, undefined> {
    // Asked before the watch begins: what is written in between is told as initial, which is no harm.
    const { values } = await this.#bucket.status();
    const entries = await this.#bucket.watch();
    const stop = () => entries.stop();
    signal.addEventListener('abort', stop, { once: true });
    // Aborted while the watch was being made: nobody told the listener.
    if (signal.aborted) stop();
    try {
      yield* this.#changes(entries, values, signal);
    } finally {
      signal.removeEventListener('abort', stop);
      entries.stop();
    }
  }

  async *#changes(entries: QueuedIterator<KvWatchEntry>, values: number, signal: AbortSignal) {
    let initial = values > 0;
    if (!initial) yield ready;
    for await (const entry of entries) {
      if (signal.aborted) return;
      yield this.#changeOf(entry, initial);
      // `delta`: how many entries are still to come as the server sent this one.
      if (initial && entry.delta === 0) {
        initial = false;
        yield ready;
      }
    }
  }

  #changeOf(entry: KvWatchEntry, initial: boolean): SnapshotChange<T> {
    const { key, revision } = entry;
    if (entry.operation !== 'PUT') return { type: 'deleted', key, revision, initial };
    try {
      return { type: 'put', key, value: this.#parse(entry), revision, initial };
    } catch (error) {
      return { type: 'invalid', key, revision, error };
    }
  }

  #parse(entry: KvEntry): T {
    const where = `the snapshot ${entry.key}`;
    return parseOrRefuse(this.#schema, decodeJson(entry.value, where), where);
  }
}

const ready = { type: 'ready' } as const;

function isConflict(error: unknown): boolean {
  if (!(error instanceof JetStreamApiError)) return false;
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes;
  return error.code === StreamWrongLastSequence || error.code === StreamWrongLastSequenceUnknown;
}
