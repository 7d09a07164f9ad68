import type { Pause } from '@flexbso/contracts';
import { holdOnCard } from '../desired/desired-items.js';
import type { LegRecord } from '../legs/leg-record.js';
import { beginWait } from './change-record.js';
import type { Deciding, Draft } from './draft.js';
import { isFinal } from './transitions.js';

/**
 * The pause that holds a change; null: none does. A failover is never held: it is how a volume gets its I/O back. Nor is
 * the way back of a change: it only restores what was.
 */
export function holdOf(
  { change, volume, legs }: Pick<Draft, 'change' | 'volume' | 'legs'>,
  deciding: Deciding,
): Pause | null {
  if (isFinal(change.state) || change.reverting || change.kind === 'failover') return null;
  // Of a volume that was never made nothing is anywhere: its record alone goes.
  if (change.kind === 'delete' && volume.cardOperationId === null && legs.length === 0) return null;
  return deciding.pauseOf(volume.cardId);
}

/** Notes what holds the change, and tells a card that works on it. */
export function noteHold(draft: Draft, deciding: Deciding): void {
  const { change, given } = draft;
  const before = change.paused;
  change.paused = holdOf(draft, deciding);
  // What it came to wait for under the pause is over with it.
  if (before !== null && change.paused === null && (change.waitingSinceMs ?? 0) >= before.sinceMs) beginWait(change);
  if (given === null || given.operationId !== change.operationId) return;
  holdOnCard(draft, change.paused !== null && change.state === 'applying');
}

/** Whether the leg's pool has yet to be told of what this change wants of it. */
export function isUntold({ change }: Pick<Draft, 'change'>, leg: LegRecord): boolean {
  return leg.awaited && leg.changeId !== change.changeId;
}

/** It belongs to a stage that has not begun. */
export function isOfNextStage({ change: { next } }: Pick<Draft, 'change'>, leg: LegRecord): boolean {
  return next !== null && !next.isBegun && leg.stackGeneration === next.want.stackGeneration;
}

/** Those that pools are told of in the present stage, snapshots' among them. */
export function legsOfStage(draft: Pick<Draft, 'change' | 'legs'>): LegRecord[] {
  return draft.legs.filter((leg) => !isOfNextStage(draft, leg));
}
