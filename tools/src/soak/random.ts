/** Choices that a seed repeats: the mulberry32 generator, of 32 bits, enough to choose and not to keep a secret. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, and never, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` up to, and never, `beyond`. */
  between(least: number, beyond: number): number {
    return least + Math.floor(this.next() * (beyond - least));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws for an empty list */
  pick<T>(list: readonly T[]): T {
    const one = list[this.between(0, list.length)];
    if (one === undefined) throw new Error('there is nothing to choose from');
    return one;
  }

  /** Another row of choices, so that those who choose side by side do not take from each other's. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32));
  }
}
