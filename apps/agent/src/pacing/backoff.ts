import type { Randomness } from '../ports/randomness.js';

export interface BackoffBounds {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A step or a request that failed is tried again soon, but a whole fleet must not hammer a service that comes back. */
export const requestBackoff: BackoffBounds = { firstMs: 100, maxMs: 5_000 };

/** Doubles with each attempt (counted from 0) up to `maxMs`, and takes between half and all of it by chance. */
export function backoffMs(attempt: number, random: Randomness, bounds: BackoffBounds = requestBackoff): number {
  // 2^20 is past every bound already; a larger exponent would only overflow.
  const ceilingMs = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceilingMs * (0.5 + random.fraction() / 2));
}

/** `periodMs`, a fifth more or less: agents that started together do not ask together. */
export function jittered(periodMs: number, random: Randomness): number {
  return Math.round(periodMs * (0.8 + random.fraction() * 0.4));
}
