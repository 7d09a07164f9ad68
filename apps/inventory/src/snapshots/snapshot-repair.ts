import type { Clock } from '../ports.js';
import type { SnapshotPublisher } from './snapshot-publisher.js';

export interface RepairOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  /** From the end of a pass to the next one. */
  readonly everyMs: number;
  /** How long after the start nothing is removed: every agent that lives has registered by then. */
  readonly graceMs: number;
  readonly onFailed: (error: unknown) => void;
}

/** Compares database and snapshots at the start and then on a beat; one pass at a time. */
export class SnapshotRepair {
  readonly #publisher: SnapshotPublisher;
  readonly #options: RepairOptions;
  readonly #startedAtMs: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(publisher: SnapshotPublisher, options: RepairOptions) {
    this.#publisher = publisher;
    this.#options = options;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends, and breaks off a pass under way: the next start makes it again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, everyMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#repair(signal);
      await clock.sleep(everyMs, signal);
    }
  }

  async #repair(signal: AbortSignal): Promise<void> {
    const { clock, graceMs, onFailed } = this.#options;
    try {
      await this.#publisher.repair(clock.monotonicMs() - this.#startedAtMs > graceMs, signal);
    } catch (error) {
      if (!signal.aborted) onFailed(error);
    }
  }
}
