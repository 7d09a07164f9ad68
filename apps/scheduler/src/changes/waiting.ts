import type { LegRecord } from '../legs/leg-record.js';
import type { Deciding, Draft } from './draft.js';
import { isUntold, legsOfStage } from './hold.js';
import { isFinal } from './transitions.js';

/** Says what the change waits for; the instant stays as long as that stays the same. */
export function noteWait(draft: Draft, deciding: Deciding): void {
  const { change } = draft;
  const reason = waitOf(draft);
  if (reason === change.waitingFor) return;
  change.waitingFor = reason;
  change.waitingSinceMs = reason === null ? null : deciding.nowMs;
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
      return `an operator: ${change.problem?.detail ?? 'what is observed contradicts what is recorded'}`.slice(0, 300);
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
