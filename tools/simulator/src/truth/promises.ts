import { finalChangeStates, type VolumePatch } from '@flexbso/contracts';
import type { ChangeRecord, VolumeRecord } from '@flexbso/scheduler/deciding';
import { isSame } from '@flexbso/stack';
import type { Timeline } from '../time/timeline.js';

type Want = VolumeRecord['want'];

/** A resumption that was asked so long ago takes no pause away any more, however late its message is. */
const RESUMED_FOR_GOOD_AFTER_MS = 30_000;

/** What the scheduler said yes to, and has to have done: patches, cancels and pauses. */
export class Promises {
  readonly #timeline: Timeline;
  readonly #broken: (what: string) => void;
  /** What each generation of a volume was to lead to when it was committed. */
  readonly #wants = new Map<string, Want>();
  /** Patches of changes that wait for the one before them. */
  readonly #queued = new Map<string, VolumePatch>();
  /** Limits of what queued changes wait for, as of the last commit, and whether a newer patch has set them since. */
  readonly #limitsBehind = new Map<string, { readonly qos: Want['qos']; readonly isNewer: boolean }>();
  readonly #cancelled = new Set<string>();
  /** Changes of two stages that were cancelled in the first: where that came too late, the second knows nothing of it. */
  readonly #cancelledBefore = new Set<string>();
  readonly #paused = new Set<string | null>();
  readonly #resumedAtMs = new Map<string | null, number>();

  /** @param broken is told what was promised and is not so */
  constructor(timeline: Timeline, broken: (what: string) => void) {
    this.#timeline = timeline;
    this.#broken = broken;
  }

  /** A volume was committed, with its latest change. */
  committed(volume: VolumeRecord, change: ChangeRecord | null): void {
    const goal = goalOf(volume, change);
    this.#wants.set(`${volume.volumeId} ${volume.generation}`, goal);
    // What is taken back brings older limits back.
    const isOnItsWay = change !== null && !change.reverting && !finalChangeStates.includes(change.state);
    if (volume.followUp && isOnItsWay) this.#noteLimitsBehind(volume.followUp.change.changeId, goal.qos);
  }

  /** A change was committed. */
  changed({ changeId, cancel, next }: ChangeRecord): void {
    if (cancel && next?.isBegun === false) this.#cancelledBefore.add(changeId);
  }

  /** A change has come from one state to another; `from` is null where it is new. */
  moved(change: ChangeRecord, from: ChangeRecord['state'] | null, volume: VolumeRecord | null): void {
    const { changeId, state, kind } = change;
    const patch = this.#queued.get(changeId);
    if (from === 'queued') this.#queued.delete(changeId);
    if (patch && volume && from === 'queued' && (state === 'preparing' || state === 'settled'))
      this.#holds(changeId, goalOf(volume, change), this.#withNewerLimits(changeId, patch));
    const hasBegun = from === 'preparing' && (state === 'applying' || state === 'retiring');
    const isHeld = kind !== 'failover' && kind !== 'delete' && volume !== null && this.#isPaused(volume.cardId);
    if (hasBegun && isHeld) this.#broken(`${changeId} of ${change.volumeId} began, and ${volume.cardId} is paused`);
  }

  /** A patch was accepted: of this generation of the volume. */
  patched({ changeId, state }: Pick<ChangeRecord, 'changeId' | 'state'>, key: string, patch: VolumePatch): void {
    if (state === 'queued') {
      this.#queued.set(changeId, patch);
      return;
    }
    const want = this.#wants.get(key);
    if (want) this.#holds(changeId, want, patch);
    else this.#broken(`${changeId} was accepted as ${key}, which was never committed`);
  }

  cancelled(changeId: string): void {
    this.#cancelled.add(changeId);
  }

  paused(cardId: string | null): void {
    const resumedAtMs = this.#resumedAtMs.get(cardId) ?? -Infinity;
    if (this.#timeline.nowMs - resumedAtMs >= RESUMED_FOR_GOOD_AFTER_MS) this.#paused.add(cardId);
  }

  /** To be told before it is asked, and when it was answered. */
  resumed(cardId: string | null): void {
    this.#resumedAtMs.set(cardId, this.#timeline.nowMs);
    this.#paused.delete(cardId);
  }

  /** The database is an older copy: it owes nothing that it does not know. */
  forget(): void {
    this.#queued.clear();
    this.#cancelled.clear();
    this.#paused.clear();
  }

  /** In the end. */
  look(changes: readonly ChangeRecord[]): void {
    for (const { changeId, volumeId, state, cancel } of changes) {
      if (!this.#cancelled.has(changeId) || !finalChangeStates.includes(state)) continue;
      const isTooLate = cancel === null ? this.#cancelledBefore.has(changeId) : cancel.outcome === 'cut-over-passed';
      const isKept = state !== 'settled' || isTooLate;
      if (!isKept) this.#broken(`the cancel of ${changeId} of ${volumeId} was accepted, and it is ${state}`);
    }
  }

  #noteLimitsBehind(queuedId: string, qos: Want['qos']): void {
    const before = this.#limitsBehind.get(queuedId);
    const isNewer = before !== undefined && (before.isNewer || !isSame(before.qos, qos));
    this.#limitsBehind.set(queuedId, { qos, isNewer });
  }

  /** Limits alone are taken along by what a queued change waits for, and are newer than its own. */
  #withNewerLimits(changeId: string, patch: VolumePatch): VolumePatch {
    const behind = this.#limitsBehind.get(changeId);
    if (!behind?.isNewer || patch.qos === undefined) return patch;
    const { qos: _, ...others } = patch;
    return { ...others, qos: behind.qos };
  }

  #isPaused(cardId: string): boolean {
    return this.#paused.has(null) || this.#paused.has(cardId);
  }

  #holds(changeId: string, want: Want, patch: VolumePatch): void {
    const lost = [
      ...(patch.qos === undefined || isSame(patch.qos, want.qos) ? [] : ['qos']),
      ...(patch.sizeBytes === undefined || patch.sizeBytes === want.sizeBytes ? [] : ['sizeBytes']),
      ...(patch.stack === undefined || isSame(patch.stack, want.stack) ? [] : ['stack']),
      ...(patch.alwaysRedundant === undefined || patch.alwaysRedundant === (want.alwaysRedundant ?? false)
        ? []
        : ['alwaysRedundant']),
      ...(patch.placement === undefined || isSame(patch.placement.poolIds ?? [], want.placement.poolIds ?? [])
        ? []
        : ['placement']),
      ...(patch.rekey === undefined || patch.rekey.from !== want.keyRef ? [] : ['rekey']),
    ];
    if (lost.length > 0)
      this.#broken(`${changeId} was accepted, and what it asks for is not wanted: ${lost.join(', ')}`);
  }
}

/** A change of two stages leads to the second. */
function goalOf({ want }: VolumeRecord, change: ChangeRecord | null): Want {
  const next = change?.next ?? null;
  return next !== null && !next.isBegun ? next.want : want;
}
