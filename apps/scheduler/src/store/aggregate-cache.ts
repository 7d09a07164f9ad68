import type { Aggregate } from '../changes/draft.js';

/** Some kilobytes each: 5,000 are about 50 MB, more volumes than change within minutes of each other. */
const maxCached = 5_000;

/**
 * Volumes as they were last committed, so that a decision need not read again what this process wrote a moment ago:
 * a change of limits is three decisions within milliseconds. The database stays the truth: one scheduler is active,
 * whatever fails is forgotten here, and a restart begins empty.
 */
export class AggregateCache {
  readonly #aggregates = new Map<string, Aggregate>();

  get(volumeId: string): Aggregate | null {
    return this.#aggregates.get(volumeId) ?? null;
  }

  /** Null: the volume is gone. */
  set(volumeId: string, aggregate: Aggregate | null): void {
    this.forget(volumeId);
    if (aggregate === null) return;
    this.#aggregates.set(volumeId, aggregate);
    const [oldest] = this.#aggregates.keys();
    if (this.#aggregates.size > maxCached && oldest !== undefined) this.#aggregates.delete(oldest);
  }

  clear(): void {
    this.#aggregates.clear();
  }

  forget(volumeId: string): void {
    this.#aggregates.delete(volumeId);
  }
}

/** What one transaction read and wrote: seen by itself at once, by others when it has committed. */
export class CachedReads {
  readonly #cache: AggregateCache;
  readonly #own = new Map<string, Aggregate | null>();

  constructor(cache: AggregateCache) {
    this.#cache = cache;
  }

  async read(volumeId: string, load: () => Promise<Aggregate | null>): Promise<Aggregate | null> {
    const own = this.#own.get(volumeId);
    if (own !== undefined) return own;
    const known = this.#cache.get(volumeId) ?? (await load());
    this.#own.set(volumeId, known);
    return known;
  }

  wrote(volumeId: string, aggregate: Aggregate | null): void {
    this.#own.set(volumeId, aggregate);
  }

  committed(): void {
    for (const [volumeId, aggregate] of this.#own) this.#cache.set(volumeId, aggregate);
  }

  /** Whether a failed commit was written after all is not known: what it touched is read anew. */
  failed(): void {
    for (const volumeId of this.#own.keys()) this.#cache.forget(volumeId);
    this.#own.clear();
  }
}
