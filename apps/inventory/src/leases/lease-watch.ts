import type { Clock } from '../ports.js';
import { LeaseBook, type LeaseOptions } from './lease-book.js';

export interface LeaseWatchOptions extends LeaseOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  readonly onExpired: (agent: string) => void;
  /** Called when silence of many begins or ends to be held, with how many; for an alarm. */
  readonly onHeld: (agents: number) => void;
}

/** Why we do not hear agents: the bus is away, or whether inventory's own lease is held is in doubt. */
export type DeafReason = 'bus' | 'lease';

/** Checks the leases on a beat and tells whose are over. */
export class LeaseWatch {
  readonly #options: LeaseWatchOptions;
  readonly #book: LeaseBook;
  readonly #deafFor = new Set<DeafReason>();
  #watching: AbortController | null = null;
  #held = 0;

  constructor(options: LeaseWatchOptions) {
    this.#options = options;
    this.#book = new LeaseBook(options);
  }

  /** How many agents' verdicts are held. */
  get held(): number {
    return this.#held;
  }

  start(): void {
    if (this.#watching) return;
    this.#watching = new AbortController();
    void this.#watch(this.#watching.signal);
  }

  stop(): void {
    this.#watching?.abort();
    this.#watching = null;
  }

  heard(agent: string): void {
    this.#book.renew(agent, this.#options.clock.monotonicMs());
  }

  isHeard(agent: string): boolean {
    return this.#book.has(agent);
  }

  /** No lease ends until the reason is over, and every other. */
  deaf(reason: DeafReason): void {
    this.#deafFor.add(reason);
    this.#book.goDeaf();
  }

  hears(reason: DeafReason): void {
    this.#deafFor.delete(reason);
    if (this.#deafFor.size === 0) this.#book.hearAgain(this.#options.clock.monotonicMs());
  }

  async #watch(signal: AbortSignal): Promise<void> {
    // A fifth of a heartbeat: a second by default, and well below the gap that the book takes for a pause of ours.
    const beatMs = Math.max(10, this.#options.heartbeatMs / 5);
    for (;;) {
      await this.#options.clock.sleep(beatMs, signal);
      if (signal.aborted) return;
      this.#check();
    }
  }

  #check(): void {
    const { expired, held } = this.#book.check(this.#options.clock.monotonicMs());
    const began = this.#held === 0 && held.length > 0;
    const ended = this.#held > 0 && held.length === 0;
    this.#held = held.length;
    if (began || ended) this.#options.onHeld(held.length);
    for (const agent of expired) this.#options.onExpired(agent);
  }
}
