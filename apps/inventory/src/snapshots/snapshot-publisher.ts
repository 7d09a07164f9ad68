import { isDeepStrictEqual } from 'node:util';
import type { AgentRole, CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { type AgentName, cardSnapshotOf, keyOf, poolSnapshotOf } from '../agents/agent-record.js';
import type { KeptAgent } from '../agents/agent-store.js';
import type { Clock } from '../ports.js';

/** A bucket of snapshots for services, by id. An entry that fits no schema is answered as null. */
export interface SnapshotBucket<Snapshot> {
  put(id: string, snapshot: Snapshot): Promise<void>;
  remove(id: string): Promise<void>;
  /** Rejects when it cannot be read to the end, or when the signal is aborted before. */
  all(signal: AbortSignal): Promise<ReadonlyMap<string, Snapshot | null>>;
}

export interface SnapshotPublisherOptions {
  readonly cards: SnapshotBucket<CardSnapshot>;
  readonly pools: SnapshotBucket<PoolSnapshot>;
  readonly find: (name: AgentName) => KeptAgent | undefined;
  readonly all: () => readonly KeptAgent[];
  readonly clock: Pick<Clock, 'sleep'>;
  /** How long to wait after the given number of failures in a row. */
  readonly backoffMs: (failures: number) => number;
  readonly onFailed: (error: unknown, waiting: number) => void;
  readonly onRepaired: (published: number, removed: number) => void;
}

/** Puts at the same time: enough to hide the round trips of a storm of registrations, too few to crowd anyone out. */
const batchSize = 32;

/**
 * Brings the buckets to what is committed. Only the names of what changed wait here, so the newest state is published
 * however many changes there were, and the queue is no longer than the fleet.
 */
export class SnapshotPublisher {
  readonly #options: SnapshotPublisherOptions;
  readonly #waiting = new Map<string, AgentName>();
  readonly #stopping = new AbortController();
  #awake = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(options: SnapshotPublisherOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  changed({ role, id }: AgentName): void {
    this.#waiting.set(keyOf({ role, id }), { role, id });
    this.#awake.resolve();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Publishes what waits, unless that fails, and ends; the next start repairs the rest. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#awake.resolve();
    await this.#running;
  }

  /**
   * Compares what is committed with what is published, and publishes what differs.
   * @param removeStrays also removes what nobody has registered. Not before every agent had the time to register: a
   *   database that was set back does not know the newest ones yet.
   */
  async repair(removeStrays: boolean, signal: AbortSignal): Promise<void> {
    const { cards, pools } = this.#options;
    const published = { card: await cards.all(signal), pool: await pools.all(signal) };
    let differing = 0;
    for (const kept of this.#options.all()) {
      const { role, id } = kept.record;
      const snapshot = published[role].get(id);
      if (snapshot && isDeepStrictEqual(atRest(snapshot), atRest(snapshotOf(kept)))) continue;
      differing += 1;
      this.changed({ role, id });
    }
    const removed = removeStrays ? await this.#removeStrays(published) : 0;
    if (differing + removed > 0) this.#options.onRepaired(differing, removed);
  }

  async #removeStrays(published: Readonly<Record<AgentRole, ReadonlyMap<string, unknown>>>): Promise<number> {
    let removed = 0;
    for (const role of ['card', 'pool'] as const) {
      for (const id of published[role].keys()) {
        if (this.#options.find({ role, id })) continue;
        await (role === 'card' ? this.#options.cards : this.#options.pools).remove(id);
        removed += 1;
      }
    }
    return removed;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#waiting.size === 0) await this.#awake.promise;
      this.#awake = Promise.withResolvers();
      if (await this.#publishBatch()) continue;
      await this.#options.clock.sleep(this.#options.backoffMs(this.#failures), this.#stopping.signal);
    }
    while (this.#waiting.size > 0 && (await this.#publishBatch()));
  }

  /** @returns whether all of it was published; what was not waits again. */
  async #publishBatch(): Promise<boolean> {
    const batch = [...this.#waiting.values()].slice(0, batchSize);
    for (const name of batch) this.#waiting.delete(keyOf(name));
    const outcomes = await Promise.allSettled(batch.map((name) => this.#publish(name)));
    let failed: { error: unknown } | undefined;
    for (const [index, outcome] of outcomes.entries()) {
      const name = batch[index];
      if (outcome.status === 'fulfilled' || !name) continue;
      this.#waiting.set(keyOf(name), name);
      failed = { error: outcome.reason };
    }
    this.#failures = failed ? this.#failures + 1 : 0;
    if (failed) this.#options.onFailed(failed.error, this.#waiting.size);
    return failed === undefined;
  }

  async #publish(name: AgentName): Promise<void> {
    const kept = this.#options.find(name);
    if (!kept) return;
    const { record, lastHeardAtMs } = kept;
    if (record.role === 'card') await this.#options.cards.put(record.id, cardSnapshotOf(record, lastHeardAtMs));
    else await this.#options.pools.put(record.id, poolSnapshotOf(record, lastHeardAtMs));
  }
}

function snapshotOf({ record, lastHeardAtMs }: KeptAgent): CardSnapshot | PoolSnapshot {
  return record.role === 'card' ? cardSnapshotOf(record, lastHeardAtMs) : poolSnapshotOf(record, lastHeardAtMs);
}

/** Without the one thing that changes without a new revision. */
function atRest(snapshot: CardSnapshot | PoolSnapshot): object {
  return { ...snapshot, lastHeardAtMs: 0 };
}
