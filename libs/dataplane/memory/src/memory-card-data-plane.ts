import {
  capabilityNameSchema,
  type Capabilities,
  type CardBudget,
  type CardFunction,
  type CardStep,
  type ObservedVolume,
  type VolumeMeasurement,
} from '@flexbso/contracts';
import type { CardDataPlane, CardDiscovery, CardStepContext, LegFinding, OpenLeg } from '@flexbso/dataplane-port';
import {
  type CardStepHandlers,
  type CardStepOf,
  applyCardStep,
  cardLayersOf,
  desiredStacks,
  handleCardStep,
  undoCardStep,
} from '@flexbso/stack';
import { type Call, type CallHooks, hooked, hookedAct, type MemoryClock } from './call.js';
import type { MemoryCard } from './memory-card.js';
import { refusal } from './world.js';

export interface MemoryCardOptions {
  readonly card: MemoryCard;
  readonly clock: MemoryClock;
  /** Everything, when left out. */
  readonly capabilities?: Capabilities;
  readonly functions?: readonly CardFunction[];
  readonly budget?: CardBudget;
  readonly hooks?: CallHooks;
}

const everything: Capabilities = { has: capabilityNameSchema.options.map((name) => ({ name, limits: {} })), lacks: [] };
/** Sixteen functions and a BlueField-3's figures: enough that tests only run out where they mean to. */
const DEFAULT_FUNCTIONS: readonly CardFunction[] = Array.from({ length: 16 }, (_, index) => ({
  functionId: `vf-${index}`,
  kind: 'vf',
  protocols: ['nbd', 'virtio-blk', 'nvme'],
}));
const DEFAULT_BUDGET: CardBudget = {
  iops: 1_000_000,
  bytesPerSecond: 10_000_000_000,
  memoryBytes: 16 * 1024 ** 3,
  armCentiCores: 1600,
};
/** Progress is told at most four times a second. */
const PROGRESS_MS = 250;

/** A card whose data planes are models in memory: for simulations and tests. Guards what a real driver guards. */
export class MemoryCardDataPlane implements CardDataPlane {
  readonly #card: MemoryCard;
  readonly #clock: MemoryClock;
  readonly #options: MemoryCardOptions;
  readonly #hooks: CallHooks;

  constructor(options: MemoryCardOptions) {
    this.#card = options.card;
    this.#clock = options.clock;
    this.#options = options;
    this.#hooks = options.hooks ?? {};
  }

  discover(): Promise<CardDiscovery> {
    const { capabilities = everything, functions = DEFAULT_FUNCTIONS, budget = DEFAULT_BUDGET } = this.#options;
    return hooked(this.#hooks, this.#call('discover', null), () => ({
      dataPlane: { name: 'memory', version: '1' },
      capabilities,
      functions,
      budget,
    }));
  }

  list(): Promise<string[]> {
    return hooked(this.#hooks, this.#call('list', null), () => this.#card.volumeIds());
  }

  observe(volumeId: string): Promise<ObservedVolume> {
    return hooked(this.#hooks, this.#call('observe', volumeId), () => this.#card.observe(volumeId));
  }

  endedInOrder(volumeId: string): Promise<boolean> {
    return hooked(this.#hooks, this.#call('endedInOrder', volumeId), () => this.#card.endedInOrder(volumeId));
  }

  openLegs(volumeId: string): Promise<OpenLeg[]> {
    return hooked(this.#hooks, this.#call('openLegs', volumeId), () => this.#card.openLegs(volumeId));
  }

  perform(volumeId: string, step: CardStep, context: CardStepContext): Promise<void> {
    const { kind } = step;
    return hookedAct(this.#hooks, this.#call('perform', volumeId, step), async () => {
      if (kind !== 'start-data-plane' && kind !== 'stop-data-plane' && !this.#card.observe(volumeId).running) {
        throw refusal('data-plane-failed', `${kind}: the data plane of ${volumeId} does not run`);
      }
      await handleCardStep(this.#guards, step)(volumeId, context);
      this.#card.change(volumeId, (observed) => this.#served(applyCardStep(observed, step), volumeId));
    });
  }

  undo(volumeId: string, step: CardStep, _context: CardStepContext): Promise<void> {
    return hookedAct(this.#hooks, this.#call('undo', volumeId, step), () => {
      if (step.kind === 'cut-over') throw refusal('cut-over-passed', 'a cut-over is never undone');
      if (step.kind === 'build-head') this.#refuseExported(volumeId, 'undoing build-head');
      if (step.kind === 'copy' && this.#card.copyOf(volumeId)?.toStackGeneration === step.toStackGeneration) {
        this.#card.setCopy(volumeId, null);
      }
      this.#card.change(volumeId, (observed) => undoCardStep(observed, step));
    });
  }

  measure(volumeId: string): Promise<VolumeMeasurement> {
    const { head } = this.#card.observe(volumeId);
    const writes = head ? (this.#card.legsOf(this.#card.observe(volumeId), head.stackGeneration)[0]?.writes ?? 0) : 0;
    const counts = {
      readBytes: 0,
      writtenBytes: writes * 4096,
      readOperations: 0,
      writeOperations: writes,
      residentBytes: 0,
    };
    return hooked(this.#hooks, this.#call('measure', volumeId), () => ({ volumeId, ...counts }));
  }

  onGone(listener: (volumeId: string) => void): void {
    this.#card.whenKilled(listener);
  }

  onLegBad(listener: (volumeId: string, finding: LegFinding) => void): void {
    this.#card.whenLegBad(listener);
  }

  async close(): Promise<void> {
    // Nothing is held open: the data planes are the card's.
  }

  readonly #guards: CardStepHandlers<(volumeId: string, context: CardStepContext) => Promise<void> | void> = {
    'start-data-plane': () => () => undefined,
    'open-leg': (step) => (volumeId, context) => this.#openLeg(volumeId, step, context),
    'format-encryption': (step) => (volumeId) => this.#format(volumeId, step),
    'open-encryption': (step) => (volumeId, context) => this.#openEncryption(volumeId, step, context),
    'build-redundancy': (step) => (volumeId) => this.#needLegs(volumeId, step.stackGeneration, step.legIds),
    'build-compression': () => () => undefined,
    'build-window': (step) => (volumeId) => this.#needStack(volumeId, step.stackGeneration),
    'format-overlay': (step) => (volumeId) => this.#formatOverlay(volumeId, step),
    'build-overlay': (step) => (volumeId) => this.#buildOverlay(volumeId, step),
    'build-head': (step) => (volumeId, context) => this.#needWhole(volumeId, step.stackGeneration, context),
    'export-volume': () => (volumeId) => {
      if (!this.#card.observe(volumeId).head) throw refusal('data-plane-failed', `${volumeId} has no head to export`);
    },
    'set-limits': () => () => undefined,
    'widen-limits': () => () => undefined,
    'restore-limits': () => () => undefined,
    copy: (step) => (volumeId, context) => this.#copy(volumeId, step, context),
    'cut-over': (step) => (volumeId) =>
      step.onto === 'overlay' ? this.#ontoOverlay(volumeId, step) : this.#cutOver(volumeId, step),
    'grow-head': () => () => undefined,
    'unexport-volume': () => () => undefined,
    'close-stack': (step) => (volumeId) => {
      const { head } = this.#card.observe(volumeId);
      if (head?.stackGeneration === step.stackGeneration)
        throw refusal('data-plane-failed', `stack ${step.stackGeneration} carries the guest`);
      if (this.#card.copyOf(volumeId)?.toStackGeneration === step.stackGeneration) this.#card.setCopy(volumeId, null);
    },
    'stop-data-plane': (step) => (volumeId) => {
      if (!step.evenIfAttached) this.#refuseExported(volumeId, 'stop-data-plane');
    },
  };

  async #openLeg(volumeId: string, step: CardStepOf<'open-leg'>, { desired, secrets }: CardStepContext): Promise<void> {
    const leg = this.#card.world.legHeldBy(this.#card.cardId, step.legId, step.epoch);
    // A larger one is one of which the pool has finished a growth, and this card has not: its first bytes are shown.
    if (leg.sizeBytes < step.sizeBytes) {
      throw refusal('step-failed', `leg ${step.legId} has ${leg.sizeBytes} bytes, not ${step.sizeBytes}`);
    }
    const access = await secrets.legKey(step.legId);
    access?.key.fill(0);
    const wanted = desiredStacks(desired)
      .flatMap(({ legs }) => legs)
      .find(({ legId }) => legId === step.legId);
    const { legId, epoch } = step;
    const identity = access?.identity ?? null;
    this.#card.noteOpened(volumeId, { legId, epoch, address: wanted?.address ?? null, identity });
  }

  #format(volumeId: string, step: CardStepOf<'format-encryption'>): void {
    this.#needLegs(volumeId, step.stackGeneration, step.legIds);
    const legs = step.legIds.map((legId) => this.#card.world.leg(legId));
    for (const leg of legs) {
      const isFresh = leg.writes === 0 && (leg.headerKeyRef === null || leg.headerKeyRef === step.keyRef);
      if (!isFresh) throw refusal('step-failed', `leg ${leg.legId} does not read as zeros: it is not formatted`);
    }
    for (const leg of legs) leg.headerKeyRef = step.keyRef;
  }

  async #openEncryption(
    volumeId: string,
    step: CardStepOf<'open-encryption'>,
    { secrets }: CardStepContext,
  ): Promise<void> {
    const key = await secrets.volumeKey(step.keyRef);
    key.fill(0);
    for (const leg of this.#card.legsOf(this.#card.observe(volumeId), step.stackGeneration)) {
      if (leg.headerKeyRef !== step.keyRef)
        throw refusal('data-plane-failed', `${step.keyRef} does not open leg ${leg.legId}`);
    }
  }

  #formatOverlay(volumeId: string, step: CardStepOf<'format-overlay'>): void {
    this.#needLegs(volumeId, step.stackGeneration, step.legIds);
    const legs = step.legIds.map((legId) => this.#card.world.leg(legId));
    const used = legs.find(({ writes, isOverlay }) => writes > 0 && !isOverlay);
    if (used) throw refusal('step-failed', `leg ${used.legId} does not read as zeros: no overlay is made of it`);
    for (const leg of legs) leg.isOverlay = true;
  }

  #buildOverlay(volumeId: string, { stackGeneration, baseStackGeneration }: CardStepOf<'build-overlay'>): void {
    this.#needStack(volumeId, stackGeneration);
    this.#needStack(volumeId, baseStackGeneration);
  }

  #ontoOverlay(volumeId: string, { fromStackGeneration, toStackGeneration }: CardStepOf<'cut-over'>): void {
    const { head, stacks } = this.#card.observe(volumeId);
    if (head?.stackGeneration === toStackGeneration) return;
    const overlay = stacks.find((one) => one.stackGeneration === toStackGeneration);
    if (head?.stackGeneration === fromStackGeneration && overlay?.baseStackGeneration === fromStackGeneration) return;
    throw refusal('needs-operator', `stack ${toStackGeneration} is no overlay on what carries ${volumeId}`);
  }

  #refuseExported(volumeId: string, what: string): void {
    if (this.#card.observe(volumeId).exports.length > 0)
      throw refusal('step-failed', `${what}: ${volumeId} is exported`);
  }

  #needStack(volumeId: string, stackGeneration: number): void {
    const legs = this.#card.legsOf(this.#card.observe(volumeId), stackGeneration);
    if (legs.length === 0) throw refusal('data-plane-failed', `no leg of stack ${stackGeneration} is open`);
  }

  /** What is built on legs finds each of them open. */
  #needLegs(volumeId: string, stackGeneration: number, legIds: readonly string[]): void {
    const stack = this.#card.observe(volumeId).stacks.find((one) => one.stackGeneration === stackGeneration);
    const missing = legIds.find((legId) => !stack?.legs.some((leg) => leg.legId === legId));
    if (missing !== undefined) throw refusal('data-plane-failed', `leg ${missing} of ${volumeId} is not open`);
  }

  /** What stands on a stack finds its top: every layer that belongs there. */
  #needWhole(volumeId: string, stackGeneration: number, { desired }: CardStepContext): void {
    this.#needStack(volumeId, stackGeneration);
    const { stack } = desired;
    if (stack.stackGeneration !== stackGeneration) return;
    const open = this.#card.observe(volumeId).stacks.find((one) => one.stackGeneration === stackGeneration);
    const missing = cardLayersOf(stack.layers).find((layer) => !open?.layers.some(({ kind }) => kind === layer.kind));
    if (missing) throw refusal('data-plane-failed', `${volumeId} has no ${missing.kind} in stack ${stackGeneration}`);
  }

  async #copy(volumeId: string, step: CardStepOf<'copy'>, context: CardStepContext): Promise<void> {
    const { onProgress, signal } = context;
    this.#needWhole(volumeId, step.toStackGeneration, context);
    this.#needSameSize(volumeId, step.toStackGeneration, context);
    this.#startCopy(volumeId, step);
    for (;;) {
      const copy = this.#card.copyOf(volumeId);
      if (!copy) throw refusal('data-plane-failed', `the copy of ${volumeId} is gone`);
      if (copy.state === 'failed')
        throw refusal('data-plane-failed', `the copy of ${volumeId} failed: ${copy.error ?? ''}`);
      const { copy: seen } = this.#card.observe(volumeId);
      if (seen) onProgress({ doneBytes: seen.doneBytes, totalBytes: seen.totalBytes });
      if (copy.state === 'ready') return;
      if (signal.aborted) throw refusal('data-plane-failed', `the wait for the copy of ${volumeId} was given up`, true);
      await this.#clock.sleep(Math.min(PROGRESS_MS, Math.max(1, copy.readyAtMs - this.#clock.nowMs())), signal);
    }
  }

  /** The target of a copy shows exactly as many bytes as its source has. */
  #needSameSize(volumeId: string, stackGeneration: number, { desired }: CardStepContext): void {
    const { head, stacks } = this.#card.observe(volumeId);
    const target = stacks.find((one) => one.stackGeneration === stackGeneration);
    const isTarget = desired.stack.stackGeneration === stackGeneration;
    const targetBytes = target?.windowBytes ?? (isTarget ? desired.sizeBytes : head?.sizeBytes);
    if (head && targetBytes !== head.sizeBytes)
      throw refusal('step-failed', `${volumeId} has ${head.sizeBytes} bytes, and the copy's target ${targetBytes}`);
  }

  #startCopy(
    volumeId: string,
    { fromStackGeneration, toStackGeneration, bytes, copyBytesPerSecond, commits }: CardStepOf<'copy'>,
  ): void {
    const copy = this.#card.copyOf(volumeId);
    if (copy?.toStackGeneration === toStackGeneration && copy.state !== 'failed') return;
    if (copy && !commits)
      throw refusal('data-plane-failed', `a copy of ${volumeId} into stack ${copy.toStackGeneration} is there already`);
    const { head } = this.#card.observe(volumeId);
    if (head?.stackGeneration !== fromStackGeneration) {
      throw refusal('data-plane-failed', `the head of ${volumeId} is not on stack ${fromStackGeneration}`);
    }
    this.#needStack(volumeId, toStackGeneration);
    const { stacks } = this.#card.observe(volumeId);
    const base = stacks.find((one) => one.stackGeneration === fromStackGeneration)?.baseStackGeneration;
    if ((base === toStackGeneration) !== (commits ?? false))
      throw refusal('step-failed', `stack ${fromStackGeneration} of ${volumeId} is no overlay to be copied that way`);
    const startedAtMs = this.#clock.nowMs();
    const readyAtMs = startedAtMs + Math.ceil((bytes / copyBytesPerSecond) * 1000);
    const range = { fromStackGeneration, toStackGeneration, totalBytes: bytes };
    this.#card.setCopy(volumeId, { ...range, startedAtMs, readyAtMs, state: 'running', error: null });
  }

  #cutOver(volumeId: string, { toStackGeneration }: CardStepOf<'cut-over'>): void {
    const { head } = this.#card.observe(volumeId);
    if (head?.stackGeneration === toStackGeneration) return;
    const copy = this.#card.copyOf(volumeId);
    if (copy?.toStackGeneration !== toStackGeneration || copy.state !== 'ready') {
      throw refusal(
        'needs-operator',
        `no cut-over to stack ${toStackGeneration}: the copy is ${copy?.state ?? 'gone'}`,
      );
    }
    this.#card.setCopy(volumeId, null);
  }

  /** An export is reached somewhere; the model leaves that open. */
  #served(observed: ObservedVolume, volumeId: string): ObservedVolume {
    const uri = `memory://${this.#card.cardId}/${volumeId}`;
    return { ...observed, exports: observed.exports.map((shown) => ({ ...shown, uri })) };
  }

  #call(method: Call['method'], subjectId: string | null, step: CardStep | null = null): Call {
    return { plane: 'card', ownerId: this.#card.cardId, method, subjectId, step };
  }
}
