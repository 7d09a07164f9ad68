import { setTimeout as delay } from 'node:timers/promises';

/** Time as one who holds a lease sees it. A simulation brings its own. */
export interface LeaseClock {
  /** Milliseconds of a clock that never goes back; the wall's may be set. */
  monotonicMs(): number;
  /** Resolves after `durationMs`, or as soon as `signal` is aborted. Never rejects: the caller looks at its signal. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemLeaseClock: LeaseClock = {
  monotonicMs: () => performance.now(),
  // Nothing but the abort makes it reject.
  sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }).catch(() => undefined),
};
