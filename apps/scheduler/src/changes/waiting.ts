import type { Problem } from '@flexbso/contracts';
import type { LegRecord } from '../legs/leg-record.js';
import type { ChangeRecord } from './change-record.js';
import type { Deciding, Draft } from './draft.js';
import { isUntold, legsOfStage } from './hold.js';
import { isFinal } from './transitions.js';

const maxText = 400;

/**
 * Says what the change waits for; the instant stays as long as that stays the same. What the agent that is waited for
 * said of it is more exact, and stays until it says something else or the change moves on.
 */
export function noteWait(draft: Draft, deciding: Deciding): void {
  const reason = waitOf(draft);
  if (reason === null || !isSaidBy(reason, draft)) setWait(draft, reason, deciding.nowMs);
}

function setWait({ change }: Draft, reason: string | null, nowMs: number): void {
  if (reason === change.waitingFor) return;
  change.waitingFor = reason;
  change.waitingSinceMs = reason === null ? null : nowMs;
}

function isSaidBy(reason: string, { change: { waitingFor }, volume: { cardId } }: Draft): boolean {
  const card = `card ${cardId}`;
  const agent = reason.startsWith(`${card} `) || reason.startsWith(`${card}: `) ? card : reason;
  return waitingFor?.startsWith(`${agent}: `) ?? false;
}

/** A wait as it was before its agent's report. */
export type Wait = Pick<ChangeRecord, 'waitingFor' | 'waitingSinceMs'>;

export const waitNow = ({ waitingFor, waitingSinceMs }: ChangeRecord): Wait => ({ waitingFor, waitingSinceMs });

/**
 * After a report, and all moves that came of it: `said` is what the agent itself says that it waits for, and since when.
 * Where that is what was known before, it waits since then.
 */
export function noteSaid(draft: Draft, before: Wait, said: Wait | null): void {
  const { change } = draft;
  if (said?.waitingFor) change.waitingFor = said.waitingFor.slice(0, maxText);
  if (change.waitingFor !== null && change.waitingFor === before.waitingFor)
    change.waitingSinceMs = before.waitingSinceMs;
  if (said?.waitingSinceMs) change.waitingSinceMs = said.waitingSinceMs;
}

/** What a pool says of a leg that is waited for. A change on its way back keeps the reason for that as its problem. */
export function noteLegSaid(draft: Draft, { legId }: LegRecord, problem: Problem | null): void {
  const reason = waitOf(draft);
  if (!draft.change.reverting || !reason?.startsWith('pool ') || !reason.endsWith(` ${legId}`)) return;
  draft.change.waitingFor = problem === null ? reason : `${reason}: ${problem.detail}`.slice(0, maxText);
}

function waitOf(draft: Draft): string | null {
  const { change, volume } = draft;
  if (isFinal(change.state)) return null;
  switch (change.state) {
    case 'preparing':
      return poolWait(
        legsOfStage(draft).find((leg) => leg.awaited && !isUntold(draft, leg)),
        change.kind === 'failover' ? 'to fence' : change.kind === 'attach' ? 'to serve' : 'to make',
      );
    case 'needs-operator':
      return `an operator: ${change.problem?.detail ?? 'what is observed contradicts what is recorded'}`.slice(
        0,
        maxText,
      );
    case 'applying':
      return cardWait(draft, change.cancel ? 'to take it back' : 'to begin');
    default: {
      const closing = change.cardSettled
        ? undefined
        : cardWait(draft, change.reverting ? 'to be back on the old stack' : 'to close what is old');
      const held = draft.legs.find((leg) => leg.state === 'retiring' && leg.heldByCard);
      const heldWait = held && `card ${volume.cardId} to report ${held.legId} as closed`;
      return (
        closing ??
        poolWait(
          draft.legs.find((leg) => leg.state === 'deleting'),
          'to delete',
        ) ??
        heldWait ??
        formerWait(draft)
      );
    }
  }
}

/** What is deleted may still run on a card that it was failed over from. */
function formerWait({ change, volume }: Draft): string | null {
  const [former] = change.kind === 'delete' ? volume.formerCards : [];
  return former ? `card ${former.cardId} to close what it had before the failover` : null;
}

function poolWait(leg: LegRecord | undefined, toDo: string): string | null {
  return leg ? `pool ${leg.poolId} ${toDo} ${leg.legId}` : null;
}

/** The running step says more than the state does. */
function cardWait({ change, volume }: Draft, otherwise: string): string {
  const running = change.steps.findLast((step) => step.actor.role === 'card' && step.outcome === 'running');
  return `card ${volume.cardId}${running ? `: ${running.kind}` : ` ${otherwise}`}`;
}
