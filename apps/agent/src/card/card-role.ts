import { ProblemError, type DesiredVolume, type VolumePhase, type VolumeReport } from '@flexbso/contracts';
import type { CardDataPlane, CardDiscovery, LegFinding } from '@flexbso/dataplane-port';
import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import type { Clock } from '../ports/clock.js';
import type { Journal } from '../ports/journal.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import type { Sealer } from '../ports/sealer.js';
import { secretsOf } from '../ports/volume-secrets.js';
import type { Discovered, Inspected, Measured, RolePart } from '../role.js';
import { jittered } from '../pacing/backoff.js';
import { Discovery } from '../pacing/discovery.js';
import { SerialWorker } from '../pacing/serial-worker.js';
import { type VolumeBook, emptyBook } from './book.js';
import { claimsOf, claimsOfBook, isTaken } from './leg-claims.js';
import { type VolumeJournal, openVolumeJournal } from './volume-journal.js';
import { VolumeReconciler } from './volume-reconciler.js';
import { volumeReport } from './volume-report.js';

export interface CardRolePorts {
  readonly cardId: string;
  readonly plane: CardDataPlane;
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly report: (
    name: string,
    report: VolumeReport,
    trace: Readonly<Record<string, string>>,
    urgent: boolean,
  ) => void;
  readonly lookMs: number;
  /** When this agent's life before gave its last sign; null: there was none. In ms since the epoch. */
  readonly lastSignMs: number | null;
}

interface Volume {
  readonly reconciler: VolumeReconciler;
  readonly worker: SerialWorker;
  readonly journal: VolumeJournal;
}

/** Measures and looks at this many volumes at once: each is a few calls to a daemon on the same machine. */
const SIDE_BY_SIDE = 8;

/** A card's volumes, each made so by itself: serial within a volume, side by side between volumes. */
export class CardRole implements RolePart<DesiredVolume> {
  readonly role = 'card';
  readonly #ports: CardRolePorts;
  readonly #discovery: Discovery<CardDiscovery>;
  /** By volume id. A volume whose journal is being opened is a promise already: it is opened once. */
  readonly #volumes = new Map<string, Promise<Volume | null>>();
  readonly #ready = new Map<string, Volume>();
  /** The newest that is wanted of volumes whose journal is not open yet. */
  readonly #awaited = new Map<string, DesiredVolume>();
  readonly #stop = new AbortController();

  constructor(ports: CardRolePorts) {
    this.#ports = ports;
    this.#discovery = new Discovery(() => ports.plane.discover(), ports);
    ports.plane.onGone((volumeId) => this.#gone(volumeId));
    ports.plane.onLegBad((volumeId, finding) => this.#legIsBad(volumeId, finding));
  }

  nameOf(item: DesiredVolume): string {
    return item.volumeId;
  }

  async discover(): Promise<Discovered> {
    const { dataPlane, capabilities, functions, budget } = await this.#discovery.find();
    return { dataPlane: { ...dataPlane }, capabilities, functions: [...functions], budget };
  }

  running(): Promise<string[]> {
    return this.#ports.plane.list();
  }

  /** Volumes that the journal knows are gone on with too: the state is saved a moment after the journal. */
  async start(items: readonly DesiredVolume[]): Promise<void> {
    this.accept(items);
    for (const name of await this.#ports.journal.names()) this.#open(name);
  }

  wanted(): ReadonlyMap<string, DesiredVolume | null> {
    const volumes = [...this.#ready];
    return new Map(volumes.map(([id, { reconciler, journal }]) => [id, standing(reconciler.desired, journal.book)]));
  }

  accept(items: readonly DesiredVolume[]): void {
    for (const item of items) {
      const ready = this.#ready.get(item.volumeId);
      if (ready) this.#want(ready, item);
      else this.#await(item);
    }
  }

  async forget(volumeId: string, operationId: string, drop: (revision: number) => Promise<boolean>): Promise<void> {
    const volume = this.#ready.get(volumeId);
    if (!volume || volume.reconciler.desired.operationId !== operationId) return;
    this.#ready.delete(volumeId);
    const forgetting = this.#forget(volume, drop);
    // Whoever wants it meanwhile waits until its old journal is gone.
    this.#volumes.set(
      volumeId,
      forgetting.then(
        () => null,
        () => null,
      ),
    );
    try {
      await forgetting;
    } finally {
      this.#volumes.delete(volumeId);
      if (this.#awaited.has(volumeId)) this.#open(volumeId);
    }
  }

  async #forget(volume: Volume, drop: (revision: number) => Promise<boolean>): Promise<void> {
    await this.#halt(volume);
    if (await drop(volume.reconciler.desired.revision)) await volume.journal.remove();
  }

  async inspect(names: readonly string[]): Promise<Inspected> {
    return { volumes: await inBatches(names, (name) => this.#ports.plane.observe(name)), legs: [] };
  }

  async measure(limit: number): Promise<Measured> {
    const names = (await this.running()).slice(0, limit);
    const measured = await inBatches(names, (name) => this.#measureOne(name));
    return { volumes: measured.filter((one) => one !== null), legs: [] };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#discovery.stop();
    const opened = await Promise.all(this.#volumes.values());
    await Promise.all(opened.filter((volume) => volume !== null).map((volume) => this.#halt(volume)));
  }

  async #halt({ reconciler, worker }: Volume): Promise<void> {
    reconciler.stop();
    await worker.stop();
  }

  #gone(volumeId: string): void {
    const volume = this.#ready.get(volumeId);
    volume?.reconciler.gone();
    volume?.worker.wake();
  }

  #legIsBad(volumeId: string, finding: LegFinding): void {
    const volume = this.#ready.get(volumeId);
    if (volume?.reconciler.legIsBad(finding)) volume.worker.wake();
  }

  #want(volume: Volume, item: DesiredVolume): void {
    if (item.revision < volume.reconciler.desired.revision) return;
    volume.reconciler.want(item);
    volume.worker.wake();
  }

  #await(item: DesiredVolume): void {
    const known = this.#awaited.get(item.volumeId);
    if (!known || item.revision >= known.revision) this.#awaited.set(item.volumeId, item);
    this.#open(item.volumeId);
  }

  #open(volumeId: string): void {
    if (this.#volumes.has(volumeId)) return;
    // Outside of the trace of whatever message named it: a journal that cannot be read is tried for long.
    this.#volumes.set(
      volumeId,
      context.with(ROOT_CONTEXT, () => this.#load(volumeId)),
    );
  }

  /** Null for a volume that is gone, or of which nothing was ever wanted. */
  async #load(volumeId: string): Promise<Volume | null> {
    const journal = await this.#journalOf(volumeId);
    const item = this.#awaited.get(volumeId) ?? null;
    this.#awaited.delete(volumeId);
    const known = journal?.book.desired ?? null;
    const desired = known && (!item || known.revision > item.revision) ? known : item;
    // One that tells of nothing was made and never written to.
    const isGone = item === null && (journal?.book.concluded?.phase === 'gone' || known === null);
    if (journal && desired && !isGone) return this.#begin(journal, desired);
    if (isGone && journal) await this.#removeJournal(volumeId, journal);
    this.#volumes.delete(volumeId);
    // It may have become wanted meanwhile.
    if (this.#awaited.has(volumeId)) this.#open(volumeId);
    return null;
  }

  async #removeJournal(volumeId: string, journal: VolumeJournal): Promise<void> {
    try {
      await journal.remove();
    } catch (error) {
      this.#ports.log.warn('what is gone was not forgotten; the next start does it', {
        volumeId,
        error: String(error),
      });
    }
  }

  #begin(journal: VolumeJournal, desired: DesiredVolume): Volume {
    const { report, sealer } = this.#ports;
    const reconciler = new VolumeReconciler(desired, journal, {
      ...this.#ports,
      capabilities: () => this.#discovery.found?.capabilities ?? { has: [], lacks: [] },
      otherVolumeOn: (legId) => this.#otherVolumeOn(legId, desired.volumeId),
      secretsOf: (wanted) => secretsOf(sealer, wanted),
      report: (what, wanted, urgent) => report(wanted.volumeId, what, wanted.trace, urgent),
    });
    const pass = async () => {
      // Without it every plan would be refused for missing capabilities.
      await this.#discovery.find();
      return reconciler.pass();
    };
    const worker = new SerialWorker(desired.volumeId, pass, this.#ports);
    const volume = { reconciler, worker, journal };
    this.#ready.set(desired.volumeId, volume);
    if (!this.#stop.signal.aborted) worker.start();
    return volume;
  }

  /** By what its journal names; of one whose journal is not open yet, by what is wanted of it. */
  #otherVolumeOn(legId: string, volumeId: string): string | null {
    const own = claimsOfBook(this.#ready.get(volumeId)?.journal.book ?? emptyBook);
    for (const [id, { journal }] of this.#ready)
      if (id !== volumeId && isTaken(legId, own, claimsOfBook(journal.book))) return id;
    for (const [id, awaited] of this.#awaited)
      if (id !== volumeId && isTaken(legId, own, claimsOf(awaited, false))) return id;
    return null;
  }

  /**
   * Of a journal that cannot be read the volume goes on running and nothing is done to it. It is tried again at each
   * look, since an operator may have mended it. Null: stopped before that.
   */
  async #journalOf(volumeId: string): Promise<VolumeJournal | null> {
    const { journal, clock, random, lookMs } = this.#ports;
    let said = '';
    while (!this.#stop.signal.aborted) {
      try {
        return await openVolumeJournal(volumeId, journal);
      } catch (error) {
        const item = this.#awaited.get(volumeId) ?? null;
        const saying = `${item?.operationId} ${String(error)}`;
        if (saying !== said) this.#sayUnreadable(volumeId, item, error);
        said = saying;
        await clock.sleep(jittered(lookMs, random), this.#stop.signal);
      }
    }
    return null;
  }

  #sayUnreadable(volumeId: string, item: DesiredVolume | null, error: unknown): void {
    this.#ports.log.error('a journal cannot be read', { volumeId, error: String(error) });
    if (!item) return;
    const problem =
      error instanceof ProblemError
        ? error.problem
        : { code: 'needs-operator' as const, detail: `the journal of ${volumeId}: ${String(error)}`.slice(0, 4000) };
    const report = volumeReport({ desired: item, phase: 'needs-operator', steps: [], observed: null, problem });
    this.#ports.report(volumeId, report, item.trace, true);
  }

  async #measureOne(volumeId: string) {
    try {
      return await this.#ports.plane.measure(volumeId);
    } catch (error) {
      this.#ports.log.warn('a volume was not measured', { volumeId, error: String(error) });
      return null;
    }
  }
}

async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += SIDE_BY_SIDE) {
    results.push(...(await Promise.all(items.slice(start, start + SIDE_BY_SIDE).map(work))));
  }
  return results;
}

/** An operation that ended without being carried out has left what was applied before, at the revision that was given. */
function standing(desired: DesiredVolume, { applied, concluded }: VolumeBook): DesiredVolume | null {
  const isNotDone = concluded?.operationId === desired.operationId && notDone.includes(concluded.phase);
  if (!isNotDone) return desired;
  return applied && { ...applied, revision: desired.revision };
}

const notDone: readonly VolumePhase[] = ['undone', 'refused', 'plan-changed'];
