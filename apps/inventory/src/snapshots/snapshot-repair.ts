import { logger } from '@flexbso/observability';
import type { SnapshotPublisher } from './snapshot-publisher.js';

const log = logger('snapshot-repair');

export interface RepairOptions {
  readonly everyMs: number;
  /** How long after the start nothing is removed: every agent that lives has registered by then. */
  readonly graceMs: number;
}

/** Compares database and snapshots at the start and then on a beat; one pass at a time. */
export class SnapshotRepair {
  readonly #publisher: SnapshotPublisher;
  readonly #options: RepairOptions;
  readonly #startedAtMs = performance.now();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;

  constructor(publisher: SnapshotPublisher, options: RepairOptions) {
    this.#publisher = publisher;
    this.#options = options;
  }

  start(): void {
    this.#repair();
    this.#timer = setInterval(() => this.#repair(), this.#options.everyMs);
  }

  /** Ends, and breaks off a pass under way: the next start makes it again. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#pass;
  }

  #repair(): void {
    const removeStrays = performance.now() - this.#startedAtMs > this.#options.graceMs;
    this.#pass ??= this.#publisher
      .repair(removeStrays, this.#stopping.signal)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) log.warn('snapshots could not be compared', { error });
      })
      .finally(() => (this.#pass = undefined));
  }
}
