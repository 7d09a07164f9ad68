import { setTimeout as delay } from 'node:timers/promises';
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { type DataSource, In } from 'typeorm';
import { OutboxRow } from './outbox-row.js';

/**
 * Publishes one message; resolves only when the broker has acknowledged it, and rejects after a deadline of its own.
 * Called in the trace context of who enqueued the message.
 */
export type Publish = (
  subject: string,
  payload: object,
  headers: Record<string, string>,
  messageId: string,
) => Promise<void>;

/** What the relay tells its owner, who logs and counts it. */
export type OutboxStatus =
  | { readonly kind: 'published'; readonly count: number; readonly oldestAgeMs: number }
  | { readonly kind: 'failed'; readonly error: unknown; readonly failures: number; readonly retryInMs: number };

export interface OutboxRelayOptions {
  readonly onStatus?: (status: OutboxStatus) => void;
  /** For a row whose wake was lost (a crash after the commit). Default 1,000 ms. */
  readonly pollMs?: number;
  /** Rows read, and deleted, at a time; a crash publishes at most so many again. Default 100. */
  readonly batchSize?: number;
  /** The longest pause after failures; a lost JetStream leader takes 5 to 7 s to be replaced. Default 5,000 ms. */
  readonly maxBackoffMs?: number;
  /** How long `stop()` tries to empty the outbox. Default 5,000 ms. */
  readonly drainMs?: number;
}

const defaults = { pollMs: 1_000, batchSize: 100, maxBackoffMs: 5_000, drainMs: 5_000 };
const firstBackoffMs = 50;

/**
 * Publishes the outbox in its order, one message after the other, and deletes what was acknowledged. A crash between
 * acknowledgement and deletion publishes the message again under the same id. Nothing overtakes a message that fails.
 *
 * One relay per database is meant (the holder of the service's lease); a second one only makes duplicates.
 */
export class OutboxRelay {
  readonly #dataSource: DataSource;
  readonly #publish: Publish;
  readonly #options: typeof defaults & Pick<OutboxRelayOptions, 'onStatus'>;
  readonly #stopping = new AbortController();
  #awake = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(dataSource: DataSource, publish: Publish, options: OutboxRelayOptions = {}) {
    this.#dataSource = dataSource;
    this.#publish = publish;
    this.#options = { ...defaults, ...options };
  }

  /** Starts publishing; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Says that something was committed. Cheap, and never wrong to call. */
  wake(): void {
    this.#awake.resolve();
  }

  /** Publishes what is left, for `drainMs` at most and not past a failure, and ends. The rest stays in the database. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      // Replaced before reading: a wake during the pass is kept for the next one.
      this.#awake = Promise.withResolvers();
      const pauseMs = await this.#pass();
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
    await this.#drain();
  }

  async #drain(): Promise<void> {
    const endAtMs = performance.now() + this.#options.drainMs;
    while (performance.now() < endAtMs && (await this.#pass()) === 0);
  }

  /** @returns how long to pause: 0 when there may be more at once. */
  async #pass(): Promise<number> {
    try {
      const rows = await this.#dataSource.manager.find(OutboxRow, {
        order: { sequence: 'ASC' },
        take: this.#options.batchSize,
      });
      await this.#publishAll(rows);
      this.#failures = 0;
      return rows.length === this.#options.batchSize ? 0 : this.#options.pollMs;
    } catch (error) {
      this.#failures += 1;
      const retryInMs = this.#backoffMs();
      this.#options.onStatus?.({ kind: 'failed', error, failures: this.#failures, retryInMs });
      return retryInMs;
    }
  }

  async #publishAll(rows: readonly OutboxRow[]): Promise<void> {
    const published: number[] = [];
    try {
      for (const row of rows) {
        const { subject, payload, headers, messageId } = row;
        await context.with(propagation.extract(ROOT_CONTEXT, headers), () =>
          this.#publish(subject, payload, headers, messageId),
        );
        published.push(row.sequence);
      }
    } finally {
      await this.#forget(rows, published);
    }
  }

  async #forget(rows: readonly OutboxRow[], published: number[]): Promise<void> {
    const [oldest] = rows;
    if (oldest === undefined || published.length === 0) return;
    await this.#dataSource.manager.delete(OutboxRow, { sequence: In(published) });
    this.#options.onStatus?.({
      kind: 'published',
      count: published.length,
      oldestAgeMs: Date.now() - oldest.createdAtMs,
    });
  }

  /** Exponential with full jitter, so that services which lost the same broker do not come back together. */
  #backoffMs(): number {
    const ceilingMs = Math.min(this.#options.maxBackoffMs, firstBackoffMs * 2 ** this.#failures);
    return Math.ceil(Math.random() * ceilingMs);
  }

  /** While publishing fails, wakes do not cut the pause short: new work does not mend the broker. */
  async #pause(pauseMs: number): Promise<void> {
    const over = new AbortController();
    const ends = [
      delay(pauseMs, undefined, { signal: AbortSignal.any([over.signal, this.#stopping.signal]) }).catch(ignoreAbort),
    ];
    if (this.#failures === 0) ends.push(this.#awake.promise);
    await Promise.race(ends);
    over.abort();
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
