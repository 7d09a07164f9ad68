import type { Call, CallHooks, MemoryClock } from '@flexbso/dataplane-memory';
import { DataPlaneError } from '@flexbso/dataplane-port';
import type { Journal } from '../ports/journal.js';
import { Fuse } from './fuse.js';

/** What goes wrong at one step. How long it lasts is in ms of the card's clock. */
export const stepFaults = ['answer-lost', 'fails-once', 'fails-for-good', 'past-its-limit'] as const;
export type StepFault = (typeof stepFaults)[number];

/** How long faults last, in ms of the card's clock. */
export interface FaultPace {
  /** A step that is past its limit is not begun before that. */
  readonly lateMs: number;
  /** What fails for good is tried for as long as this, in whatever way it is; then somebody mends it. */
  readonly unmendedMs: number;
}
/** Late: beyond every step's limit, and not so long that a copy beside it is. */
const virtualPace: FaultPace = { lateMs: 120_000, unmendedMs: 60_000 };

/** What is looked at of a call. */
type Act = Pick<Call, 'method'> & { readonly step: { readonly kind: string } | null };
const isAct = ({ method, step }: Act) => step !== null && (method === 'perform' || method === 'undo');

/** Counts what is performed and undone, and has the n-th go wrong, from 1; 0: none does. */
export class FaultyPlane implements CallHooks {
  readonly #at: number;
  readonly #fault: StepFault;
  readonly #clock: MemoryClock;
  readonly #pace: FaultPace;
  #hit: { readonly kind: string; readonly atMs: number } | null = null;
  /** Before they are counted. */
  isArmed = false;
  readonly acts: string[] = [];

  constructor(at: number, fault: StepFault, clock: MemoryClock, pace = virtualPace) {
    this.#at = at;
    this.#pace = pace;
    this.#fault = fault;
    this.#clock = clock;
  }

  /** What went wrong; null: nothing yet. */
  get hit(): string | null {
    return this.#hit?.kind ?? null;
  }

  async before(call: Act): Promise<void> {
    if (!this.isArmed || !isAct(call)) return;
    const kind = `${call.method} ${call.step?.kind}`;
    this.acts.push(kind);
    const isHit = this.acts.length === this.#at;
    if (isHit) this.#hit = { kind, atMs: this.#clock.nowMs() };
    if (isHit && this.#fault === 'fails-once')
      throw new DataPlaneError({ code: 'data-plane-failed', detail: 'not now' }, { retryable: true });
    if (isHit && this.#fault === 'past-its-limit') await this.#clock.sleep(this.#pace.lateMs);
    if (this.#fault === 'fails-for-good' && this.#hit?.kind === kind && !this.#isMended())
      throw new DataPlaneError({ code: 'step-failed', detail: 'never' });
  }

  after(call: Act): void {
    if (!this.isArmed || !isAct(call) || this.#fault !== 'answer-lost' || this.acts.length !== this.#at) return;
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    throw new DataPlaneError({ code: 'data-plane-failed', detail: 'no answer' }, { retryable: true });
  }

  #isAnswered = false;

  #isMended(): boolean {
    return this.#clock.nowMs() - (this.#hit?.atMs ?? 0) > this.#pace.unmendedMs;
  }
}

/** A disk that is full from the n-th append on, from 1, for as long as that; 0: it never is. */
export class FullDisk extends Fuse {
  readonly #at: number;
  readonly #clock: MemoryClock;
  readonly #pace: FaultPace;
  #fullSinceMs: number | null = null;
  isArmed = false;
  appends = 0;

  constructor(at: number, clock: MemoryClock, pace = virtualPace) {
    super();
    this.#pace = pace;
    this.#at = at;
    this.#clock = clock;
  }

  get wasFull(): boolean {
    return this.#fullSinceMs !== null;
  }

  override journal(inner: Journal): Journal {
    const write = async (work: () => Promise<void>) => {
      if (this.isArmed && ++this.appends === this.#at) this.#fullSinceMs = this.#clock.nowMs();
      const isFull = this.#fullSinceMs !== null && this.#clock.nowMs() - this.#fullSinceMs < this.#pace.unmendedMs;
      if (isFull) throw new Error('ENOSPC: no space left on device');
      await work();
    };
    return {
      names: () => inner.names(),
      read: (name) => inner.read(name),
      append: (name, entries) => write(() => inner.append(name, entries)),
      replace: (name, entries) => write(() => inner.replace(name, entries)),
      remove: (name) => inner.remove(name),
      close: () => inner.close(),
    };
  }
}
