import { ProblemError, type Span, type Trace } from '@flexbso/contracts';
import { transaction, writeRows } from '@flexbso/persistence';
import type { DataSource } from 'typeorm';
import { isBeat, traceOf, withinMessage } from '../traces/trace-of.js';
import { SpanRow } from './span-entity.js';

export interface SpanStoreOptions {
  /** Called when a batch could not be written; it is tried again. */
  readonly onFailed: (error: unknown, waiting: number) => void;
}

/** 20 MB at most, and twenty seconds of a thousand spans a second while the database is away. */
const maxWaiting = 20_000;
/** Some milliseconds of the database's time: a reader between two batches does not wait long. */
const batchSize = 500;
/** Spans come in bursts: waiting this long makes one transaction of many. Who reads a trace does not wait for it. */
const gatherMs = 1_000;
const retryMs = 1_000;
/** More spans than any change has that went well; one that was tried again for days has more, and its beginning says why. */
const maxSpansOfTrace = 5_000;

/** Spans, buffered in memory and written in batches. What is acknowledged and not yet written is lost with the process. */
export class SpanStore {
  readonly #dataSource: DataSource;
  readonly #options: SpanStoreOptions;
  #waiting: Span[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(dataSource: DataSource, options: SpanStoreOptions) {
    this.#dataSource = dataSource;
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes all of these spans, or none when there is no room: then the sender tries again later. */
  take(spans: readonly Span[]): boolean {
    const kept = spans.filter((span) => !isBeat(span));
    if (this.#stopped || this.#waiting.length + kept.length > maxWaiting) return false;
    this.#waiting.push(...kept);
    if (kept.length > 0) this.#schedule(gatherMs);
    return true;
  }

  /** Writes what waits. @throws what the database throws; what was not written still waits. */
  async flush(): Promise<void> {
    // A write under way has taken its batch before: what came after it is written by the next.
    await this.#writing?.catch(() => undefined);
    while (this.#waiting.length > 0) {
      this.#writing ??= this.#writeBatch().finally(() => (this.#writing = undefined));
      await this.#writing;
    }
  }

  /** Takes no more, and writes what waits once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.flush();
  }

  /**
   * A trace; of one that is longer than a change should be, its first spans.
   * @throws ProblemError `not-found` when no span of it is kept
   */
  async trace(traceId: string): Promise<Trace> {
    await this.flush();
    const rows = await this.#dataSource.manager.find(SpanRow, {
      where: { traceId },
      order: { startUs: 'ASC', spanId: 'ASC' },
      take: maxSpansOfTrace + 1,
    });
    if (rows.length === 0)
      throw new ProblemError({ code: 'not-found', detail: `No span of the trace ${traceId} is kept.` });
    const spans = rows.slice(0, maxSpansOfTrace).map(spanOf);
    return withinMessage({ ...traceOf(traceId, spans), truncated: rows.length > spans.length });
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch((error: unknown) => {
        this.#options.onFailed(error, this.#waiting.length);
        this.#schedule(retryMs);
      });
    }, delayMs);
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#waiting.slice(0, batchSize);
    const receivedAtMs = Date.now();
    const rows = batch.map((span) => ({ ...rowOf(span), receivedAtMs }));
    // An exporter that was not answered in time sends its batch again: what is there stays.
    await transaction(this.#dataSource, (manager) => writeRows(manager, SpanRow, rows, 'keep'));
    this.#waiting = this.#waiting.slice(batch.length);
  }
}

function rowOf({ startMs, endMs, ...span }: Span) {
  return { ...span, startUs: Math.round(startMs * 1_000), endUs: Math.round(endMs * 1_000) };
}

function spanOf(row: SpanRow): Span {
  const { traceId, spanId, parentSpanId, service, name, error, attributes } = row;
  const times = { startMs: row.startUs / 1_000, endMs: row.endUs / 1_000 };
  return { traceId, spanId, parentSpanId, service, name, kind: kindOf(row.kind), ...times, error, attributes };
}

const kinds: readonly Span['kind'][] = ['internal', 'server', 'client', 'producer', 'consumer'];

function kindOf(text: string): Span['kind'] {
  return kinds.find((kind) => kind === text) ?? 'internal';
}
