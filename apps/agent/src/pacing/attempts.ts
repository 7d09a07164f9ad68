import type { CardStep, PoolStep } from '@flexbso/contracts';

/** Enough to see how something begins to fail; a pool that is away for a day is tried some 17,000 times. */
const ALWAYS_TRACED = 8;

/** Counts how often each step was tried, so that a change's trace holds the first attempts and then each doubling. */
export class Attempts {
  /** By the step as JSON; at most the steps that one operation and its healing have. */
  readonly #counts = new Map<string, number>();

  /** Notes an attempt and gives whether it is one that gets a span. */
  begin(step: CardStep | PoolStep): boolean {
    const key = JSON.stringify(step);
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count <= ALWAYS_TRACED || Number.isInteger(Math.log2(count));
  }

  /** Once all is as it should be: whatever is done next is done for the first time. */
  clear(): void {
    this.#counts.clear();
  }
}
