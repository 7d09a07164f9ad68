/**
 * A clock for unit specs, as the services' ports want it. Time passes when it is told to, step by step, so that everything
 * that one step wakes goes on before the next.
 */
export class SteppedClock {
  #nowMs = 1_000_000;
  readonly #sleepers = new Map<() => void, number>();

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(wake);
        resolve();
      };
      this.#sleepers.set(wake, this.#nowMs + durationMs);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Wakes, in their order, all who sleep no longer than this; it takes what promises and immediates take. */
  async pass(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [wake, atMs] = [...this.#sleepers].toSorted(([, left], [, right]) => left - right)[0] ?? [null, Infinity];
      if (wake === null || atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      wake();
    }
    this.#nowMs = untilMs;
  }
}
