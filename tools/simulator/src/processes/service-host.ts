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
  /** Something was written under a lease that another has taken over. */
  readonly onStaleCommit: (what: string) => void;
  /** Starts the service's code in a process that holds the lease. */
  readonly run: (life: ServiceLife<Contents>) => Promise<void>;
}

/** The lease of one process; null: not yet. */
interface Held {
  token: number | null;
}

/** One process of a service, from when it holds the lease. */
export interface ServiceLife<Contents extends MemoryContents<Contents>> {
  readonly process: SimProcess;
  readonly connection: MemoryConnection<Contents>;
  readonly lease: ServiceLease<unknown>;
  /** Whether the process trusts its lease, each time that this changes. */
  readonly onTrust: (listener: (isHeld: boolean) => void) => void;
}

/** A process that ended is started again by its machine. */
const RESTART = { leastMs: 100, mostMs: 2_000 };

/** The processes of a service of which one is active: whoever ends or stands still is followed by another, on one database. */
export class ServiceHost<Contents extends MemoryContents<Contents>> {
  readonly name: ServiceParts<Contents>['name'];
  /** The newest: it is active, or waits to be. */
  process: SimProcess;
  readonly #parts: ServiceParts<Contents>;
  #lives = 0;
  /** Who took the lease last. */
  #holder: SimProcess | null = null;

  constructor(parts: ServiceParts<Contents>) {
    this.#parts = parts;
    this.name = parts.name;
    this.process = this.#newProcess();
  }

  /** Whether it is this process that works, and nobody has begun to take over from it. */
  isActive(process: SimProcess): boolean {
    return process === this.process && process === this.#holder && process.isAlive;
  }

  start(): void {
    this.#start(this.process);
  }

  /** Another process starts, and waits until the lease is free. */
  replace(): void {
    const { timeline, chance } = this.#parts;
    const process = this.#newProcess();
    this.process = process;
    timeline.after(chance.int(RESTART.leastMs, RESTART.mostMs), () => this.#start(process));
  }

  #start(process: SimProcess): void {
    // It ended before it began, and another follows it.
    if (!process.isAlive) return;
    const held: Held = { token: null };
    const connection = this.#connect(process, held);
    process.onEnd(() => connection.abandon());
    // As in production: one that cannot start, or whose lease is another's, ends.
    this.#live(process, connection, held).catch(() => process.kill());
  }

  async #live(process: SimProcess, connection: MemoryConnection<Contents>, held: Held): Promise<void> {
    const { name, timeline, run } = this.#parts;
    const row = new MemoryLeaseStore(connection, { name, nowMs: () => timeline.nowMs });
    const listeners: ((isHeld: boolean) => void)[] = [];
    const lease = await ServiceLease.take(row, {
      name,
      holder: `${name} ${++this.#lives}`,
      clock: process.clock,
      onStandby: () => undefined,
      onFailed: () => undefined,
      onLost: () => process.kill(),
      onTrust: (isHeld) => {
        for (const tell of listeners) tell(isHeld);
      },
    });
    held.token = lease.token;
    this.#holder = process;
    await run({ process, connection, lease, onTrust: (listener) => void listeners.push(listener) });
  }

  #connect(process: SimProcess, held: Held): MemoryConnection<Contents> {
    const { name, database, onStaleCommit } = this.#parts;
    return database.connect({
      beforeCommit: async () => {
        await process.moment('before', 'commit');
        const now = database.leases.get(name)?.token;
        if (now !== held.token) onStaleCommit(`${name} commits under ${held.token}, and the lease is ${now}`);
      },
      afterCommit: () => process.moment('after', 'commit'),
    });
  }

  #newProcess(): SimProcess {
    const process = new SimProcess(this.#parts.name, this.#parts.timeline, this.#parts.endsAt);
    // From the first on: whoever puts a copy of the database back ends one, too, that is still to begin.
    process.onEnd(() => {
      if (this.process === process) this.replace();
    });
    return process;
  }
}
