import { ServiceLease } from '@flexbso/persistence/lease';
import {
  type MemoryConnection,
  type MemoryContents,
  type MemoryDatabase,
  MemoryLeaseStore,
} from '@flexbso/persistence/memory';
import type { Chance } from '../time/chance.js';
import type { Timeline } from '../time/timeline.js';
import { type Moment, SimProcess } from './sim-process.js';

export interface ServiceParts<Contents extends MemoryContents<Contents>> {
  readonly name: 'scheduler' | 'inventory';
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly database: MemoryDatabase<Contents>;
  readonly endsAt: (moment: Moment) => boolean;
  /** Starts the service's code in a process that holds the lease. */
  readonly run: (life: ServiceLife<Contents>) => Promise<void>;
}

/** One process of a service, from when it holds the lease. */
export interface ServiceLife<Contents extends MemoryContents<Contents>> {
  readonly process: SimProcess;
  readonly connection: MemoryConnection<Contents>;
  readonly lease: ServiceLease<unknown>;
}

/** A process that ended is started again by its machine. */
const RESTART = { leastMs: 100, mostMs: 2_000 };

/** The processes of a service of which one is active: whoever ends or stands still is followed by another, on one database. */
export class ServiceHost<Contents extends MemoryContents<Contents>> {
  /** The newest: it is active, or waits to be. */
  process: SimProcess;
  readonly #parts: ServiceParts<Contents>;
  #lives = 0;

  constructor(parts: ServiceParts<Contents>) {
    this.#parts = parts;
    this.process = this.#newProcess();
  }

  start(): void {
    const { process } = this;
    const connection = this.#connect(process);
    process.onEnd(() => {
      connection.abandon();
      if (this.process === process) this.replace();
    });
    // As in production: one that cannot start, or whose lease is another's, ends.
    this.#live(process, connection).catch(() => process.kill());
  }

  /** Another process starts, and waits until the lease is free. */
  replace(): void {
    const { timeline, chance } = this.#parts;
    this.process = this.#newProcess();
    timeline.after(chance.int(RESTART.leastMs, RESTART.mostMs), () => this.start());
  }

  async #live(process: SimProcess, connection: MemoryConnection<Contents>): Promise<void> {
    const { name, timeline, run } = this.#parts;
    const row = new MemoryLeaseStore(connection, { name, nowMs: () => timeline.nowMs });
    const lease = await ServiceLease.take(row, {
      name,
      holder: `${name} ${++this.#lives}`,
      clock: process.clock,
      onStandby: () => undefined,
      onFailed: () => undefined,
      onLost: () => process.kill(),
    });
    await run({ process, connection, lease });
  }

  #connect(process: SimProcess): MemoryConnection<Contents> {
    return this.#parts.database.connect({
      beforeCommit: () => process.moment('before', 'commit'),
      afterCommit: () => process.moment('after', 'commit'),
    });
  }

  #newProcess(): SimProcess {
    return new SimProcess(this.#parts.name, this.#parts.timeline, this.#parts.endsAt);
  }
}
