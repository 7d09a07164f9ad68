import type { Clock } from '../ports/clock.js';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Time that passes only when it is told to: everything that can go on without it goes on first. */
export class VirtualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #sleepers: Sleeper[] = [];
  /** Whether something goes on that needs real time, as a real disk does: no virtual time passes meanwhile. */
  isBusy: () => boolean = () => false;

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { atMs: this.#nowMs + durationMs, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => this.#wake(sleeper), { once: true });
    });
  }

  /** Lets time pass until `condition` holds; throws once `withinMs` of virtual time have gone by without. */
  async runUntil(what: string, condition: () => boolean, withinMs = 120_000): Promise<void> {
    const deadlineMs = this.#nowMs + withinMs;
    for (;;) {
      do await quiet();
      while (this.isBusy());
      if (condition()) return;
      const next = this.#sleepers.reduce<Sleeper | null>(
        (first, one) => (first === null || one.atMs < first.atMs ? one : first),
        null,
      );
      if (next === null) throw new Error(`nothing goes on any more, and not: ${what}`);
      if (next.atMs > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#wake(next);
    }
  }

  /** Lets `durationMs` pass. */
  async run(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    void this.sleep(durationMs);
    await this.runUntil('the time has passed', () => this.#nowMs >= untilMs, durationMs + 1);
  }

  #wake(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
    sleeper.wake();
  }
}

/** Everything that needs no time has happened: promises only, since the doubles use nothing else. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
