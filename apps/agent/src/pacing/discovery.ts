import type { AgentLog } from '../ports/log.js';
import type { Clock } from '../ports/clock.js';
import type { Randomness } from '../ports/randomness.js';
import { backoffMs } from './backoff.js';

/** Finds out once what the data plane can do, trying until it answers; everyone who asks gets the same answer. */
export class Discovery<Found> {
  readonly #discover: () => Promise<Found>;
  readonly #ports: { readonly clock: Clock; readonly random: Randomness; readonly log: AgentLog };
  readonly #stop = new AbortController();
  #finding: Promise<Found> | null = null;
  #found: Found | null = null;

  constructor(
    discover: () => Promise<Found>,
    ports: { readonly clock: Clock; readonly random: Randomness; readonly log: AgentLog },
  ) {
    this.#discover = discover;
    this.#ports = ports;
  }

  /** Null until it was found. */
  get found(): Found | null {
    return this.#found;
  }

  /** Rejects only once stopped. */
  find(): Promise<Found> {
    this.#finding ??= this.#run();
    return this.#finding;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<Found> {
    const { clock, random, log } = this.#ports;
    for (let attempt = 0; ; attempt++) {
      try {
        this.#found = await this.#discover();
        return this.#found;
      } catch (error) {
        if (this.#stop.signal.aborted) throw error;
        log.error('the data plane does not say what it can do', { attempt, error: String(error) });
        await clock.sleep(backoffMs(attempt, random), this.#stop.signal);
      }
    }
  }
}
