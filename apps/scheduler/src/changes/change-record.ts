import type { AcceptedPlan, Change } from '@flexbso/contracts';
import type { VolumeBefore, VolumeWant } from '../volumes/volume-record.js';

/** The step that is under way, or is waited for. By the scheduler's clock, and not anew with each attempt. */
export interface DueStep {
  /** Actor, place in the plan and kind: another name is another step. */
  name: string;
  kind: string;
  sinceMs: number;
  limitMs: number;
}

/** The second of two stages of a change. Its legs, key and room are there from the change's beginning. */
export interface NextStage {
  want: VolumeWant;
  card: AcceptedPlan;
  /** The first stage is settled: what is undone from here on leads back to its end. */
  isBegun: boolean;
}

/** A change as the scheduler keeps it: what the API shows, and what carrying it on or back takes. */
export interface ChangeRecord extends Change {
  tenantId: string;
  volumeName: string;
  /** W3C trace headers of the request, for all the work that it causes. */
  trace: Record<string, string>;
  /** What to go back to; null when there was nothing before (create). */
  from: VolumeBefore | null;
  /** The card's operation that carries this change out, or undoes it; null while the card was given nothing. */
  operationId: string | null;
  /** The card has said, for `operationId`, that nothing but what is wanted is open. */
  cardSettled: boolean;
  /** It failed before its cut-over, and what is wanted again is what was before. */
  reverting: boolean;
  /** How an undoing change ends: as it is told to the client. */
  endsAs: 'undone' | 'refused';
  /** The step that it is in, and since when this scheduler knows it to be; null: none is due. */
  due: DueStep | null;
  /** By step: how it ended when that was last told in an event; a step that fails again in the same way is no news. */
  told: Record<string, string> | null;
  /** Null: the change has one stage. */
  next: NextStage | null;
}

/** Forgets what it waited for: from here on that is something else. */
export function beginWait(change: ChangeRecord): void {
  change.waitingFor = null;
  change.waitingSinceMs = null;
}

/** The change as one that something else ended: it is in no step, waits for nothing, and nothing holds it. */
export function cutShort(change: ChangeRecord, nowMs: number): ChangeRecord {
  const idle = {
    progress: null,
    waitingFor: null,
    waitingSinceMs: null,
    due: null,
    overdue: null,
    paused: null,
    next: null,
  };
  return { ...change, ...idle, settledAtMs: nowMs };
}

/** The change as one whose place another took before it had ended. */
export function supersededBy(change: ChangeRecord, newer: Pick<ChangeRecord, 'changeId' | 'kind'>, nowMs: number) {
  const { changeId, kind } = newer;
  const wasQueued = change.state === 'queued';
  const begun = wasQueued ? 'begun' : 'ended';
  const kept = wasQueued && kind === 'change' ? ', and asks for what it asked for as well' : '';
  const detail = `${kind} ${changeId} took its place before it had ${begun}${kept}`;
  const problem = { code: 'superseded' as const, detail, facts: { changeId } };
  return { ...cutShort(change, nowMs), state: 'undone' as const, problem };
}
