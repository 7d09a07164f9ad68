import type { ObservedCopy, ObservedVolume } from '@flexbso/contracts';
import type { LegFinding, OpenLeg } from '@flexbso/dataplane-port';
import { copyOf, nothingObserved } from '@flexbso/stack';
import { type MemoryLeg, type MemoryWorld, refusal } from './world.js';

export interface RunningCopy {
  readonly fromStackGeneration: number;
  readonly toStackGeneration: number;
  readonly totalBytes: number;
  readonly startedAtMs: number;
  readonly readyAtMs: number;
  state: 'running' | 'ready' | 'failed';
  error: string | null;
}

interface MemoryVolume {
  /** Without its copy, which moves on by itself. */
  observed: ObservedVolume;
  copy: RunningCopy | null;
  /** How each leg was reached when it was opened, by leg id. */
  readonly opened: Map<string, OpenLeg>;
}

/** The data planes of one card. They outlive the driver, as real ones outlive the agent; guests and faults reach them here. */
export class MemoryCard {
  readonly cardId: string;
  readonly world: MemoryWorld;
  readonly #nowMs: () => number;
  readonly #volumes = new Map<string, MemoryVolume>();
  readonly #endedInOrder = new Set<string>();
  #onKilled: (volumeId: string) => void = () => undefined;
  #onLegBad: (volumeId: string, finding: LegFinding) => void = () => undefined;

  constructor(world: MemoryWorld, cardId: string, nowMs: () => number) {
    this.world = world;
    this.cardId = cardId;
    this.#nowMs = nowMs;
  }

  volumeIds(): string[] {
    return [...this.#volumes].filter(([, volume]) => volume.observed.running).map(([volumeId]) => volumeId);
  }

  observe(volumeId: string): ObservedVolume {
    const volume = this.#volumes.get(volumeId);
    if (!volume) return nothingObserved(volumeId);
    return { ...copyOf(volume.observed), copy: this.#observedCopy(volume) };
  }

  change(volumeId: string, change: (observed: ObservedVolume) => ObservedVolume): void {
    const { copy: _own, ...rest } = change(this.observe(volumeId));
    const observed = { ...rest, copy: null };
    this.#endedInOrder.delete(volumeId);
    if (!observed.running) this.#volumes.delete(volumeId);
    else {
      const { copy = null, opened = new Map<string, OpenLeg>() } = this.#volumes.get(volumeId) ?? {};
      this.#volumes.set(volumeId, { observed, copy, opened });
    }
  }

  openLegs(volumeId: string): OpenLeg[] {
    const volume = this.#volumes.get(volumeId);
    const open = volume?.observed.stacks.flatMap(({ legs }) => legs) ?? [];
    return open.flatMap(({ legId, epoch }) => {
      const leg = volume?.opened.get(legId);
      return leg?.epoch === epoch ? [leg] : [];
    });
  }

  /** Remembers how a leg is reached; one that is open already stays as it was opened. */
  noteOpened(volumeId: string, leg: OpenLeg): void {
    const isOpen = this.openLegs(volumeId).some(({ legId, epoch }) => legId === leg.legId && epoch === leg.epoch);
    if (!isOpen) this.#volumes.get(volumeId)?.opened.set(leg.legId, leg);
  }

  copyOf(volumeId: string): RunningCopy | null {
    const volume = this.#volumes.get(volumeId);
    if (volume) this.#moveOn(volume);
    return volume?.copy ?? null;
  }

  setCopy(volumeId: string, copy: RunningCopy | null): void {
    const volume = this.#volumes.get(volumeId);
    if (volume) volume.copy = copy;
  }

  /** The newest write that a stack holds, together with what it is an overlay on. */
  contentOf(observed: ObservedVolume, stackGeneration: number): number {
    const stack = observed.stacks.find((one) => one.stackGeneration === stackGeneration);
    const own = Math.min(...this.legsOf(observed, stackGeneration).map(({ writes }) => writes));
    const base = stack?.baseStackGeneration;
    return base === undefined ? own : Math.max(own, this.contentOf(observed, base));
  }

  /** The legs of a stack as they are open here. Throws once a pool has cut this card off. */
  legsOf(observed: ObservedVolume, stackGeneration: number): MemoryLeg[] {
    const stack = observed.stacks.find((one) => one.stackGeneration === stackGeneration);
    return (stack?.legs ?? []).map(({ legId, epoch }) => this.world.legHeldBy(this.cardId, legId, epoch));
  }

  /** The data plane of a volume dies: what was open is not; the legs stay as they are. */
  kill(volumeId: string): void {
    this.copyOf(volumeId);
    this.#volumes.delete(volumeId);
    this.#endedInOrder.delete(volumeId);
    this.#onKilled(volumeId);
  }

  /** It ends as when somebody tells it to, other than its agent. */
  end(volumeId: string): void {
    this.kill(volumeId);
    this.#endedInOrder.add(volumeId);
  }

  endedInOrder(volumeId: string): boolean {
    return !this.#volumes.has(volumeId) && this.#endedInOrder.has(volumeId);
  }

  /** One agent at a time has the card: the listener takes the place of the one before. */
  whenKilled(listener: (volumeId: string) => void): void {
    this.#onKilled = listener;
  }

  /** As {@link whenKilled}. */
  whenLegBad(listener: (volumeId: string, finding: LegFinding) => void): void {
    this.#onLegBad = listener;
  }

  /** An operation on a leg failed, or a checked read found it to differ. */
  legIsBad(volumeId: string, finding: LegFinding): void {
    this.#onLegBad(volumeId, finding);
  }

  killAll(): void {
    for (const volumeId of this.#volumes.keys()) this.kill(volumeId);
  }

  /** One write of the guest; it reaches every leg beneath the head, and the copy's target once that is in sync. Gives its number. */
  guestWrites(volumeId: string): number {
    const { observed, copy, stackGeneration, legs } = this.#served(volumeId);
    const number = 1 + Math.max(this.contentOf(observed, stackGeneration), ...legs.map(({ writes }) => writes));
    const target = copy?.state === 'ready' ? this.legsOf(observed, copy.toStackGeneration) : [];
    for (const leg of [...legs, ...target]) leg.writes = number;
    return number;
  }

  /** The newest write that the guest would read back; a smaller number than it was given is a lost write. */
  guestReads(volumeId: string): number {
    const { observed, stackGeneration, legs } = this.#served(volumeId);
    this.#check(observed, stackGeneration, legs);
    return this.contentOf(observed, stackGeneration);
  }

  /** What the guest reaches; a guest comes often, so nothing is copied for it. */
  #served(volumeId: string) {
    const volume = this.#volumes.get(volumeId);
    if (!volume?.observed.head || volume.observed.exports.length === 0)
      throw refusal('data-plane-failed', `${volumeId} is not served`, true);
    this.#moveOn(volume);
    const { observed, copy } = volume;
    const { stackGeneration } = volume.observed.head;
    return { observed, copy, stackGeneration, legs: this.legsOf(observed, stackGeneration) };
  }

  /** A safe read: what differs from most legs is told of, and written over with what they hold. */
  #check(observed: ObservedVolume, stackGeneration: number, legs: readonly MemoryLeg[]): void {
    const stack = observed.stacks.find((one) => one.stackGeneration === stackGeneration);
    if (!stack?.layers.some((layer) => layer.kind === 'raid1' && layer.safeRead)) return;
    const held = [...Map.groupBy(legs, ({ writes }) => writes)];
    const majority = held.find(([, alike]) => 2 * alike.length > legs.length);
    if (!majority) throw refusal('data-plane-failed', `no majority of the legs of ${observed.volumeId} agrees`, true);
    for (const leg of legs.filter(({ writes }) => writes !== majority[0])) {
      leg.writes = majority[0];
      const span = { offsetBytes: 0, lengthBytes: leg.sizeBytes };
      this.legIsBad(observed.volumeId, { legId: leg.legId, kind: 'differs', ...span, isWrittenOver: true });
    }
  }

  #observedCopy(volume: MemoryVolume): ObservedCopy | null {
    this.#moveOn(volume);
    const { copy } = volume;
    if (!copy) return null;
    const { toStackGeneration, state, totalBytes, error } = copy;
    return { toStackGeneration, state, doneBytes: this.#doneBytes(copy), totalBytes, error };
  }

  #doneBytes(copy: RunningCopy): number {
    if (copy.state === 'ready') return copy.totalBytes;
    const share = (this.#nowMs() - copy.startedAtMs) / Math.max(1, copy.readyAtMs - copy.startedAtMs);
    return Math.floor(copy.totalBytes * Math.min(1, Math.max(0, share)));
  }

  /** A copy goes on while nobody looks; where it got to is worked out at the next look. */
  #moveOn(volume: MemoryVolume): void {
    const { copy, observed } = volume;
    if (!copy || copy.state === 'failed') return;
    try {
      const target = this.legsOf(observed, copy.toStackGeneration);
      if (copy.state === 'ready' || this.#nowMs() < copy.readyAtMs) return;
      const writes = this.contentOf(observed, copy.fromStackGeneration);
      for (const leg of target) leg.writes = writes;
      copy.state = 'ready';
    } catch (error) {
      copy.state = 'failed';
      copy.error = String(error).slice(0, 500);
    }
  }
}
