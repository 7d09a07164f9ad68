/** Where jitter comes from; seeded in a simulation. */
export interface Randomness {
  /** At least 0, below 1. */
  fraction(): number;
}

export const systemRandomness: Randomness = { fraction: () => Math.random() };
