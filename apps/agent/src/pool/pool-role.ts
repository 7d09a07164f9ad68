import type { DesiredLeg, LegMeasurement, LegReport, ObservedLeg } from '@flexbso/contracts';
import type { PoolDataPlane, PoolDiscovery } from '@flexbso/dataplane-port';
import type { Clock } from '../ports/clock.js';
import type { Journal } from '../ports/journal.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import type { Sealer } from '../ports/sealer.js';
import type { Discovered, Inspected, Measured, RolePart } from '../role.js';
import { Discovery } from '../pacing/discovery.js';
import { SerialWorker } from '../pacing/serial-worker.js';
import { openLegJournal } from './leg-journal.js';
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

function measuredOf({ legId, allocatedBytes, uncompressedBytes }: ObservedLeg): LegMeasurement {
  return { legId, allocatedBytes, ...(uncompressedBytes === undefined ? {} : { uncompressedBytes }) };
}

/** A pool's legs, each made so by itself. */
export class PoolRole implements RolePart<DesiredLeg> {
  readonly role = 'pool';
  readonly #ports: PoolRolePorts;
  readonly #discovery: Discovery<PoolDiscovery>;
  readonly #legs = new Map<string, Leg>();
  readonly #forgetting = new Set<string>();
  /** The newest that is wanted of legs that are just being forgotten. */
  readonly #awaited = new Map<string, DesiredLeg>();

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

  /** Legs that the journal knows are gone on with too: the state is saved a moment after the journal. */
  async start(items: readonly DesiredLeg[]): Promise<void> {
    this.accept(items);
    for (const legId of await this.#ports.journal.names()) await this.#takeUp(legId);
  }

  wanted(): ReadonlyMap<string, DesiredLeg> {
    return new Map([...this.#legs].map(([legId, { reconciler }]) => [legId, reconciler.desired]));
  }

  accept(items: readonly DesiredLeg[]): void {
    for (const item of items) {
      const leg = this.#legs.get(item.legId);
      if (this.#forgetting.has(item.legId)) this.#awaited.set(item.legId, item);
      else if (leg) {
        leg.reconciler.want(item);
        leg.worker.wake();
      } else this.#begin(item);
    }
  }

  async forget(legId: string, operationId: string, drop: (revision: number) => Promise<boolean>): Promise<void> {
    const leg = this.#legs.get(legId);
    if (!leg || leg.reconciler.desired.operationId !== operationId || this.#forgetting.has(legId)) return;
    this.#forgetting.add(legId);
    try {
      await this.#halt(leg);
      if (await drop(leg.reconciler.desired.revision)) await this.#ports.journal.remove(legId);
    } finally {
      this.#legs.delete(legId);
      this.#forgetting.delete(legId);
      this.#beginAwaited(legId);
    }
  }

  /** Whoever wants it anew waits until its old journal is gone. */
  #beginAwaited(legId: string): void {
    const item = this.#awaited.get(legId);
    this.#awaited.delete(legId);
    if (item) this.#begin(item);
  }

  /**
   * The journal of a leg that is no longer in the state is what a crash left of making it known, or of forgetting it. One
   * that tells of nothing was made and never written to.
   */
  async #takeUp(legId: string): Promise<void> {
    const { journal, plane, log } = this.#ports;
    const known = this.#legs.get(legId)?.reconciler.desired;
    try {
      const { tombstone, begun } = (await openLegJournal(legId, journal)).book;
      // Once it was to go, nothing older of it is wanted; who crashed before it was gone may hear of it from nobody else.
      const last = tombstone ?? begun;
      const mayBeGone = !known && (last === null || last.tombstone);
      if (mayBeGone && (await plane.observe(legId)) === null) await journal.remove(legId);
      else if (last !== null && last.revision > (known?.revision ?? 0)) this.accept([last]);
    } catch (error) {
      log.warn('a journal was not taken up; the next start does it', { legId, error: String(error) });
    }
  }

  async inspect(names: readonly string[]): Promise<Inspected> {
    const wanted = new Set(names);
    return { volumes: [], legs: (await this.#ports.plane.list()).filter(({ legId }) => wanted.has(legId)) };
  }

  async measure(limit: number): Promise<Measured> {
    const legs = await this.#ports.plane.list();
    return { volumes: [], legs: legs.slice(0, limit).map(measuredOf) };
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
