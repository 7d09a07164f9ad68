import { setTimeout as delay } from 'node:timers/promises';

/** Time as inventory sees it; a simulation brings its own. */
export interface Clock {
  /** Milliseconds since the epoch, for what people read. */
  nowMs(): number;
  /** Milliseconds of a clock that never goes back; the wall's may be set. */
  monotonicMs(): number;
  /** Resolves after `durationMs`, or as soon as `signal` is aborted. Never rejects: the caller looks at its signal. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Nothing but the abort makes it reject.
  sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }).catch(() => undefined),
};

/** Wakes whoever publishes committed events. */
export interface EventRelay {
  wake(): void;
}

/** What an operator must hear of and no caller waits for. */
export interface Alarms {
  warn(message: string, facts: Record<string, unknown>): void;
  error(message: string, facts: Record<string, unknown>): void;
}
