import { logger } from '@flexbso/observability';
import { type DataSource, LessThan, LessThanOrEqual } from 'typeorm';
import { EventRow } from './event-entity.js';
import { SpanRow } from './span-entity.js';

const log = logger('retention');

export interface Bounds {
  /** Rows kept; the oldest go first. */
  readonly maxCount: number;
  readonly keepMs: number;
}

/** Once a minute: at a thousand spans a second the table is at most a fifth over its bound. */
const everyMs = 60_000;

/** Keeps both tables within their bounds of count and age. */
export class Retention {
  readonly #dataSource: DataSource;
  readonly #spans: Bounds;
  readonly #audit: Bounds;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;

  constructor(dataSource: DataSource, bounds: { readonly spans: Bounds; readonly audit: Bounds }) {
    this.#dataSource = dataSource;
    this.#spans = bounds.spans;
    this.#audit = bounds.audit;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#pass ??= this.prune(Date.now())
        .catch((error: unknown) => log.warn('what is old could not be deleted', { error }))
        .finally(() => (this.#pass = undefined));
    }, everyMs);
  }

  /** Ends, and waits for a pass under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pass;
  }

  /** Deletes what is too old or too much. @param nowMs ms since the epoch */
  async prune(nowMs: number): Promise<void> {
    const { manager } = this.#dataSource;
    await manager.delete(SpanRow, { receivedAtMs: LessThan(nowMs - this.#spans.keepMs) });
    await manager.delete(EventRow, { atMs: LessThan(nowMs - this.#audit.keepMs) });
    // Sequences grow by one for each row or more, so what is this far behind the newest is beyond the count.
    const newestSpan = await manager.maximum(SpanRow, 'sequence');
    await manager.delete(SpanRow, { sequence: LessThanOrEqual((newestSpan ?? 0) - this.#spans.maxCount) });
    const newestEvent = await manager.maximum(EventRow, 'sequence');
    await manager.delete(EventRow, { sequence: LessThanOrEqual((newestEvent ?? 0) - this.#audit.maxCount) });
  }
}
