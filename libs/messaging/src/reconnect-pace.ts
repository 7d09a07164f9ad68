import { backoffMs, type Backoff } from './backoff.js';

/** Quick at first, since most losses are restarts; 5 s at most, since a nudge that waits longer is no nudge. */
const RECONNECT: Backoff = { firstMs: 250, maxMs: 5_000 };

/**
 * How long the client library waits between attempts to connect. It asks for the wait again and again while it
 * waits, so the wait is drawn once for each attempt and not for each question: one that grew with every question
 * would never be over.
 */
export class ReconnectPace {
  readonly #random: () => number;
  #attempts = 0;
  #waitMs: number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
    this.#waitMs = this.#draw();
  }

  get waitMs(): number {
    return this.#waitMs;
  }

  /** An attempt begins: the wait after it is longer. */
  attempted(): void {
    this.#attempts += 1;
    this.#waitMs = this.#draw();
  }

  /** Connected: the next loss begins anew. */
  connected(): void {
    this.#attempts = 0;
    this.#waitMs = this.#draw();
  }

  #draw(): number {
    return backoffMs(Math.max(0, this.#attempts - 1), RECONNECT, this.#random);
  }
}
