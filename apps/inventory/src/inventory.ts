import type { CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import type { AgentStore } from './agents/agent-store.js';
import { Fleet } from './agents/fleet.js';
import type { LeaseOptions } from './leases/lease-book.js';
import { type DeafReason, LeaseWatch } from './leases/lease-watch.js';
import type { Alarms, Clock, EventRelay } from './ports.js';
import { AgentRequests } from './rpc/agent-requests.js';
import { ServiceRequests } from './rpc/service-requests.js';
import { type SnapshotBucket, SnapshotPublisher } from './snapshots/snapshot-publisher.js';
import { SnapshotRepair } from './snapshots/snapshot-repair.js';

/** Everything that deciding needs from outside; a simulation brings its own of each. */
export interface InventoryPorts {
  readonly store: AgentStore;
  readonly cards: SnapshotBucket<CardSnapshot>;
  readonly pools: SnapshotBucket<PoolSnapshot>;
  readonly clock: Clock;
  readonly relay: EventRelay;
  readonly alarms: Alarms;
  /** How long to wait, in milliseconds, after so many failures in a row of publishing. */
  readonly backoffMs: (failures: number) => number;
}

export interface InventorySettings extends LeaseOptions {
  /** How often the published snapshots are compared with what the database holds. */
  readonly repairMs: number;
}

/**
 * Inventory without its shell: what exists and who is there, decided from registrations, heartbeats and their absence.
 * It does no I/O but through its ports, so that a simulation runs it as it is.
 */
export class Inventory {
  readonly fleet: Fleet;
  readonly agents: AgentRequests;
  readonly services: ServiceRequests;
  readonly #ports: InventoryPorts;
  readonly #leases: LeaseWatch;
  readonly #publisher: SnapshotPublisher;
  readonly #repair: SnapshotRepair;

  constructor(ports: InventoryPorts, settings: InventorySettings) {
    const { store, clock, relay, alarms } = ports;
    this.#ports = ports;
    this.#leases = new LeaseWatch({
      ...settings,
      clock,
      onExpired: (agent) => void this.#judge(agent),
      onHeld: (agents) =>
        alarms.error('verdicts on silent agents are held', { agents, holdMs: settings.massSilence.holdMs }),
    });
    this.fleet = new Fleet({
      store,
      nowMs: () => clock.nowMs(),
      onChanged: (record) => {
        this.#publisher.changed(record);
        relay.wake();
      },
      onHeard: (agent) => this.#leases.heard(agent),
    });
    this.#publisher = new SnapshotPublisher({
      ...ports,
      find: (name) => this.fleet.find(name),
      all: () => this.fleet.all(),
      onFailed: (error, waiting) => alarms.warn('snapshots wait to be published', { error, waiting }),
      onRepaired: (published, removed) => alarms.warn('snapshots differed from the database', { published, removed }),
    });
    this.#repair = new SnapshotRepair(this.#publisher, {
      clock,
      everyMs: settings.repairMs,
      // Every agent that lives has registered by then.
      graceMs: 2 * settings.leaseMs,
      onFailed: (error) => alarms.warn('snapshots could not be compared', { error }),
    });
    this.agents = new AgentRequests(this.fleet, settings);
    this.services = new ServiceRequests(this.fleet);
  }

  /** How many agents' verdicts wait, since too many fell silent together. */
  get heldVerdicts(): number {
    return this.#leases.held;
  }

  /** How many changed snapshots are not yet published. */
  get waitingSnapshots(): number {
    return this.#publisher.waiting;
  }

  /** Loads the fleet and begins to publish it. Agents and services may ask from then on. */
  async start(): Promise<void> {
    for (const agent of await this.fleet.load()) this.#leases.heard(agent);
    this.#publisher.start();
    this.#repair.start();
  }

  /** From now on an agent's silence counts: to be called once agents can be heard. */
  startJudging(): void {
    this.#leases.start();
  }

  /** No lease ends any more: to be called before agents can be heard no longer. */
  stopJudging(): void {
    this.#leases.stop();
  }

  /** Finishes what was begun, and publishes what waits, unless that fails: the next start repairs the rest. */
  async stop(): Promise<void> {
    this.stopJudging();
    await this.fleet.idle();
    await this.#repair.stop();
    await this.#publisher.stop();
  }

  /** What agents say does not reach us: their silence does not count until this reason is over, and every other. */
  deaf(reason: DeafReason): void {
    this.#leases.deaf(reason);
  }

  hears(reason: DeafReason): void {
    this.#leases.hears(reason);
  }

  async #judge(agent: string): Promise<void> {
    const { alarms } = this.#ports;
    try {
      const isUnreachable = await this.fleet.silent(agent, () => this.#leases.isHeard(agent));
      if (isUnreachable) alarms.warn('agent unreachable', { agent });
    } catch (error) {
      alarms.error('verdict was not written', { agent, error });
      // Its lease starts anew, so that the verdict comes again.
      this.#leases.heard(agent);
    }
  }
}
