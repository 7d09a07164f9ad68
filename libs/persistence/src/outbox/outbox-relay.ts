import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import type { DataSource } from 'typeorm';
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
  | {
      readonly kind: 'failed';
      readonly error: unknown;
      /** The message that failed and holds the others up; undefined when the database itself failed. */
      readonly message: Pick<OutboxRow, 'subject' | 'messageId'> | undefined;
      /** How many passes in a row failed. */
      readonly failures: number;
      readonly retryInMs: number;
    };

export interface OutboxRelayOptions {
  readonly onStatus?: (status: OutboxStatus) => void;
  /** For a row whose wake was lost (a crash after the commit). Default 1,000 ms. */
  readonly pollMs?: number;
  /**
   * From a wake to the pass that it causes. A commit is seldom alone: what follows from it within this time goes in the
   * same pass, and whoever waits for the commit's answer does not compete with its events. Default 20 ms.
   */
  readonly gatherMs?: number;
  /** Rows read, and deleted, at a time; a crash publishes at most so many again. Default 100. */
  readonly batchSize?: number;
  /** The longest pause after failures; a lost JetStream leader takes 5 to 7 s to be replaced. Default 5,000 ms. */
  readonly maxBackoffMs?: number;
  /** How long `stop()` tries to empty the outbox. Default 5,000 ms. */
  readonly drainMs?: number;
}

const defaults = { pollMs: 1_000, gatherMs: 20, batchSize: 100, maxBackoffMs: 5_000, drainMs: 5_000 };
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
  #running: Promise<void> | undefined;
  #stopping = false;
  /** Whether something was committed since the last pass began to read. */
  #woken = false;
  #endPause: (() => void) | undefined;
  #endGathering: (() => void) | undefined;
  #failures = 0;
  #inHand: OutboxRow | undefined;

  constructor(dataSource: DataSource, publish: Publish, options: OutboxRelayOptions = {}) {
    this.#dataSource = dataSource;
    this.#publish = publish;
    this.#options = { ...defaults, ...options };
  }

  /** Starts publishing; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Says that something was committed. Cheap, and never wrong to call. While publishing fails it does not cut the
   * pause short: new work does not mend the broker.
   */
  wake(): void {
    this.#woken = true;
    if (this.#failures === 0) this.#endPause?.();
  }

  /** Publishes what is left, for `drainMs` at most and not past a failure, and ends. The rest stays in the database. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#endPause?.();
    this.#endGathering?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      const pauseMs = await this.#pass();
      const moreToDo = this.#stopping || (this.#woken && this.#failures === 0);
      if (pauseMs > 0 && !moreToDo) await this.#pause(pauseMs);
      if (this.#isWoken() && this.#failures === 0) await this.#gather();
    }
    await this.#drain();
  }

  /** Read through a method: it changes while a pass or a pause is awaited. */
  #isWoken(): boolean {
    return this.#woken && !this.#stopping;
  }

  async #drain(): Promise<void> {
    const endAtMs = performance.now() + this.#options.drainMs;
    while (performance.now() < endAtMs && (await this.#pass()) === 0);
  }

  /** @returns how long to pause: 0 when there may be more at once. */
  async #pass(): Promise<number> {
    this.#inHand = undefined;
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
      this.#options.onStatus?.({ kind: 'failed', error, message: this.#inHand, failures: this.#failures, retryInMs });
      return retryInMs;
    }
  }

  async #publishAll(rows: readonly OutboxRow[]): Promise<void> {
    const published: number[] = [];
    try {
      for (const row of rows) {
        this.#inHand = row;
        const { subject, payload, headers, messageId } = row;
        await context.with(propagation.extract(ROOT_CONTEXT, headers), () =>
          this.#publish(subject, payload, headers, messageId),
        );
        this.#inHand = undefined;
        published.push(row.sequence);
      }
    } finally {
      await this.#forget(rows, published);
    }
  }

  async #forget(rows: readonly OutboxRow[], published: number[]): Promise<void> {
    const [oldest] = rows;
    if (oldest === undefined || published.length === 0) return;
    // Parameters, not literals: a list of this length is prepared once.
    await this.#dataSource.manager.sql`DELETE FROM "outbox" WHERE "sequence" IN (${() => published})`;
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

  #pause(pauseMs: number): Promise<void> {
    return sleep(pauseMs, (end) => {
      this.#endPause = end;
    });
  }

  #gather(): Promise<void> {
    return sleep(this.#options.gatherMs, (end) => {
      this.#endGathering = end;
    });
  }
}

/** Sleeps; `hold` is given what ends it early, and undefined when it has ended. */
function sleep(timeMs: number, hold: (end: (() => void) | undefined) => void): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      hold(undefined);
      resolve();
    };
    const timer = setTimeout(end, timeMs);
    hold(end);
  });
}
