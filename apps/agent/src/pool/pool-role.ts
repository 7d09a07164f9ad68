import type { DesiredLeg, LegReport } from '@flexbso/contracts';
import type { PoolDataPlane, PoolDiscovery } from '@flexbso/dataplane-port';
import type { Clock } from '../ports/clock.js';
import type { Journal } from '../ports/journal.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import type { Sealer } from '../ports/sealer.js';
import type { Discovered, Inspected, Measured, RolePart } from '../role.js';
import { Discovery } from '../work/discovery.js';
import { SerialWorker } from '../work/serial-worker.js';
import { LegReconciler } from './leg-reconciler.js';

export interface PoolRolePorts {
  readonly poolId: string;
  readonly plane: PoolDataPlane;
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly report: (name: string, report: LegReport, trace: Readonly<Record<string, string>>, urgent: boolean) => void;
  readonly lookMs: number;
}

interface Leg {
  readonly reconciler: LegReconciler;
  readonly worker: SerialWorker;
}

/** A pool's legs, each made so by itself. */
export class PoolRole implements RolePart<DesiredLeg> {
  readonly role = 'pool';
  readonly #ports: PoolRolePorts;
  readonly #discovery: Discovery<PoolDiscovery>;
  readonly #legs = new Map<string, Leg>();

  constructor(ports: PoolRolePorts) {
    this.#ports = ports;
    this.#discovery = new Discovery(() => ports.plane.discover(), ports);
  }

  nameOf(item: DesiredLeg): string {
    return item.legId;
  }

  async discover(): Promise<Discovered> {
    const { dataPlane, capabilities, budget, reach } = await this.#discovery.find();
    return { dataPlane: { ...dataPlane }, capabilities, budget, reach };
  }

  async running(): Promise<string[]> {
    return (await this.#ports.plane.list()).map(({ legId }) => legId);
  }

  async start(items: readonly DesiredLeg[]): Promise<void> {
    this.accept(items);
  }

  accept(items: readonly DesiredLeg[]): void {
    for (const item of items) {
      const leg = this.#legs.get(item.legId);
      if (leg) {
        leg.reconciler.want(item);
        leg.worker.wake();
      } else {
        this.#begin(item);
      }
    }
  }

  /** Called for what the scheduler has taken in. A leg that is deleted needs no record any more. */
  async forget(legId: string, operationId: string): Promise<boolean> {
    const leg = this.#legs.get(legId);
    if (!leg || leg.reconciler.desired.operationId !== operationId) return false;
    this.#legs.delete(legId);
    await this.#halt(leg);
    await this.#ports.journal.remove(legId);
    return true;
  }

  async inspect(names: readonly string[]): Promise<Inspected> {
    const wanted = new Set(names);
    return { volumes: [], legs: (await this.#ports.plane.list()).filter(({ legId }) => wanted.has(legId)) };
  }

  async measure(limit: number): Promise<Measured> {
    const legs = await this.#ports.plane.list();
    return { volumes: [], legs: legs.slice(0, limit).map(({ legId, allocatedBytes }) => ({ legId, allocatedBytes })) };
  }

  async stop(): Promise<void> {
    this.#discovery.stop();
    await Promise.all([...this.#legs.values()].map((leg) => this.#halt(leg)));
  }

  async #halt({ reconciler, worker }: Leg): Promise<void> {
    reconciler.stop();
    await worker.stop();
  }

  #begin(item: DesiredLeg): void {
    const { report } = this.#ports;
    const reconciler = new LegReconciler(item, {
      ...this.#ports,
      report: (what, desired, urgent) => report(desired.legId, what, desired.trace, urgent),
    });
    const worker = new SerialWorker(item.legId, () => reconciler.pass(), this.#ports);
    this.#legs.set(item.legId, { reconciler, worker });
    worker.start();
  }
}
