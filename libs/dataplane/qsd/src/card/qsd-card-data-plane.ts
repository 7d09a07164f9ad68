import { volumeIdSchema, type CardStep, type ObservedVolume, type VolumeMeasurement } from '@flexbso/contracts';
import {
  DataPlaneError,
  type CardDataPlane,
  type CardDiscovery,
  type CardStepContext,
  type LegFinding,
  type OpenLeg,
} from '@flexbso/dataplane-port';
import { qsdCardConfigSchema, type QsdCardConfig, type QsdCardOptions } from '../config.js';
import { Daemon } from '../daemon/daemon.js';
import { entriesOf } from '../daemon/processes.js';
import { Turn } from '../daemon/turn.js';
import { asDataPlaneError } from '../errors.js';
import { isHeld, readGraph, type Graph } from '../graph/graph.js';
import { openLegsOf } from '../graph/open-legs.js';
import { notRunning, observedOf } from '../graph/observe.js';
import { QmpUnreachableError } from '../qmp/errors.js';
import { untraced, type OnCommand, type QmpClient } from '../qmp/qmp-client.js';
import { withoutDoubtfulStart } from '../steps/copy-start.js';
import { performCardStep, undoCardStep } from '../steps/card-steps.js';
import { exportUri } from '../steps/export-steps.js';
import { sweepLegKeys } from '../steps/leg-steps.js';
import type { StepScene } from '../steps/step-scene.js';
import { discoverCard } from './discover.js';
import { badLegOf, isChecked, isRepairing, sparedLegs } from './bad-leg.js';
import { measureProcess } from './measure.js';
import { StepsUnderWay } from './steps-under-way.js';

/**
 * A card served by qemu-storage-daemon: one daemon per volume, which outlives this object and the
 * agent, and is found again by its run directory. Nothing but connections is kept here.
 *
 * @throws z.ZodError from the constructor for a configuration that does not fit its schema
 */
export class QsdCardDataPlane implements CardDataPlane {
  readonly #config: QsdCardConfig;
  readonly #onCommand: OnCommand | null;
  readonly #daemons = new Map<string, Daemon>();
  /** Two discoveries at once would share one probe, and the first would end it. */
  readonly #discovery = new Turn();
  readonly #underWay = new StepsUnderWay();
  #onGone: (volumeId: string) => void = () => undefined;
  #onLegBad: (volumeId: string, finding: LegFinding) => void = () => undefined;

  constructor(options: QsdCardOptions, onCommand: OnCommand | null = null) {
    this.#onCommand = onCommand;
    this.#config = qsdCardConfigSchema.parse(options);
  }

  async discover(): Promise<CardDiscovery> {
    return this.#guarded('discovering the data plane', async () => {
      // An agent plans nothing before it has discovered, so this is before any leg is opened.
      await sweepLegKeys(this.#config.runDirectory);
      return this.#discovery.take(() => discoverCard(this.#config));
    });
  }

  async list(): Promise<string[]> {
    return this.#guarded('listing volumes', async () => {
      const running: string[] = [];
      for (const name of await entriesOf(this.#config.runDirectory)) {
        if (!volumeIdSchema.safeParse(name).success) continue;
        if ((await this.#daemon(name).pid()) !== null) running.push(name);
      }
      return running;
    });
  }

  async observe(volumeId: string): Promise<ObservedVolume> {
    return this.#guarded(`observing ${volumeId}`, async () => {
      const daemon = this.#daemon(volumeId);
      const graph = await this.#graphOf(daemon);
      if (graph !== null) {
        const cleared = isHeld(graph) ? await this.#letGuestGo(volumeId, daemon, graph) : graph;
        for (const finding of sparedLegs(cleared)) this.#onLegBad(volumeId, finding);
        return observedOf(volumeId, cleared, (protocol) => exportUri(daemon, volumeId, protocol));
      }
      await this.#forget(volumeId);
      return notRunning(volumeId);
    });
  }

  async endedInOrder(volumeId: string): Promise<boolean> {
    return this.#guarded(`finding how the daemon of ${volumeId} ended`, () => this.#daemon(volumeId).endedInOrder());
  }

  async openLegs(volumeId: string): Promise<OpenLeg[]> {
    return this.#guarded(`finding the open legs of ${volumeId}`, async () => {
      const daemon = this.#daemon(volumeId);
      const graph = await this.#graphOf(daemon);
      return graph === null ? [] : openLegsOf(daemon.qmp, graph);
    });
  }

  /** Null when no daemon runs. A connection that stands says that one does, and spares the look at its process. */
  async #graphOf(daemon: Daemon): Promise<Graph | null> {
    if (!daemon.qmp.isConnected && (await daemon.pid()) === null) return null;
    try {
      return await readGraph(daemon.qmp);
    } catch (cause) {
      if (cause instanceof QmpUnreachableError && (await daemon.pid()) === null) return null;
      throw cause;
    }
  }

  /** An agent died while it held the guest, and no step may come that would let it go: its change may be paused. */
  async #letGuestGo(volumeId: string, daemon: Daemon, graph: Graph): Promise<Graph> {
    const scene = { volumeId, daemon };
    const isCleared = await this.#underWay.clear(volumeId, async () => {
      await withoutDoubtfulStart(scene, await readGraph(daemon.qmp));
    });
    return isCleared ? readGraph(daemon.qmp) : graph;
  }

  async perform(volumeId: string, step: CardStep, context: CardStepContext): Promise<void> {
    await this.#guarded(`${step.kind} of ${volumeId}`, () =>
      this.#underWay.take(volumeId, () => performCardStep(this.#scene(volumeId, context), step)),
    );
  }

  async undo(volumeId: string, step: CardStep, context: CardStepContext): Promise<void> {
    await this.#guarded(`undoing ${step.kind} of ${volumeId}`, async () => {
      // Without its daemon nothing of a volume is open, and there is nothing to take back.
      if (step.kind !== 'start-data-plane' && (await this.#daemon(volumeId).pid()) === null) return;
      await this.#underWay.take(volumeId, () => undoCardStep(this.#scene(volumeId, context), step));
    });
  }

  async measure(volumeId: string): Promise<VolumeMeasurement> {
    return this.#guarded(`measuring ${volumeId}`, async () =>
      measureProcess(volumeId, await this.#daemon(volumeId).pid()),
    );
  }

  onGone(listener: (volumeId: string) => void): void {
    this.#onGone = listener;
  }

  onLegBad(listener: (volumeId: string, finding: LegFinding) => void): void {
    this.#onLegBad = listener;
  }

  async close(): Promise<void> {
    const daemons = [...this.#daemons.values()];
    this.#daemons.clear();
    await Promise.all(daemons.map((daemon) => daemon.qmp.close()));
  }

  #scene(volumeId: string, context: CardStepContext): StepScene {
    return { volumeId, daemon: this.#daemon(volumeId), config: this.#config, context };
  }

  #daemon(volumeId: string): Daemon {
    // The id becomes a path, so it is checked where it does.
    volumeIdSchema.parse(volumeId);
    let daemon = this.#daemons.get(volumeId);
    if (daemon === undefined) {
      daemon = new Daemon(this.#config, volumeId, { 'bso.volume.id': volumeId });
      daemon.qmp.whenLost(() => this.#onGone(volumeId));
      const { qmp } = daemon;
      if (this.#onCommand) qmp.whenCommand(this.#onCommand);
      qmp.whenEvent((event, data) => void this.#hear(volumeId, qmp, event, data));
      this.#daemons.set(volumeId, daemon);
    }
    return daemon;
  }

  async #hear(volumeId: string, qmp: QmpClient, event: string, data: unknown): Promise<void> {
    const bad = badLegOf(event, data);
    if (bad === null) return;
    const { stackGeneration, ...finding } = bad;
    if (finding.kind !== 'differs') return this.#onLegBad(volumeId, { ...finding, isWrittenOver: false });
    // Of a daemon that does not answer nothing is known; the next read of the same place tells again.
    const [graph] = await Promise.allSettled([untraced(() => readGraph(qmp))]);
    if (graph.status === 'fulfilled' && isChecked(graph.value, stackGeneration))
      this.#onLegBad(volumeId, { ...finding, isWrittenOver: isRepairing(graph.value, stackGeneration) });
  }

  async #forget(volumeId: string): Promise<void> {
    const daemon = this.#daemons.get(volumeId);
    this.#daemons.delete(volumeId);
    await daemon?.qmp.close();
  }

  async #guarded<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      throw cause instanceof DataPlaneError ? cause : asDataPlaneError(what, cause);
    }
  }
}
