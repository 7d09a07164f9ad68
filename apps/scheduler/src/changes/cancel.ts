import { type Problem, type ProblemCode, ProblemError } from '@flexbso/contracts';
import { cancelOnCard } from '../desired/desired-items.js';
import { beginWait, type ChangeRecord } from './change-record.js';
import type { Deciding, Draft } from './draft.js';
import { advance, announce, isOfTheUnknown, turnBack } from './saga.js';
import { isFinal } from './transitions.js';

/**
 * Takes a change back, or wishes that its card do so. What its card was not given yet is taken back here. What it was
 * given, the card alone knows the state of: it answers *undone* or *applied* of the same operation. A cancel of what is
 * cancelled, or on its way back, changes nothing.
 *
 * @throws ProblemError `change-over`, `cut-over-passed`, `needs-operator`
 */
export function cancel(draft: Draft, by: string, deciding: Deciding): void {
  const { change } = draft;
  const refusal = cancelRefusal(change);
  if (refusal) throw new ProblemError(refusal);
  if (change.cancel !== null || change.state === 'undoing') return;
  beginWait(change);
  change.cancel = { by, atMs: deciding.nowMs, outcome: null };
  announce(draft, 'cancel-asked');
  if (change.state === 'preparing') turnBack(draft, cancelledBy(by), 'undone', deciding);
  else cancelOnCard(draft);
  advance(draft, deciding);
}

export function cancelledBy(by: string): Problem {
  return { code: 'cancelled', detail: `${by} cancelled it before its cut-over` };
}

/** Why it cannot be taken back; null: it can. */
export function cancelRefusal(change: ChangeRecord): Problem | null {
  const { changeId, state, kind, plan, differences, problem } = change;
  const refused = (code: ProblemCode, why: string): Problem => ({
    code,
    detail: `${changeId} is ${state}: ${why}`,
    facts: { changeId, state },
  });
  if (isFinal(state)) return refused('change-over', 'there is nothing left to cancel; undo it by a change back');
  if (state === 'undoing') return null;
  if (state === 'needs-operator')
    return refused('needs-operator', `where it stands must be settled first (${problem?.detail ?? 'no reason given'})`);
  if (kind === 'failover')
    return refused('cut-over-passed', 'a failover has no way back, since the old card is fenced; fail it over again');
  if (kind === 'adopt') return refused('cut-over-passed', 'it has nothing to take back: it records what runs');
  if (state === 'retiring')
    return refused('cut-over-passed', 'the new state carries the guest; let it settle, then undo it by a change back');
  if (isOfTheUnknown(change))
    return refused(
      'cut-over-passed',
      'what the volume was before waited for an operator, so there is nothing certain to go back to',
    );
  if (state === 'preparing') return null;
  if (kind === 'delete')
    return refused('cut-over-passed', 'its card was told to take the volume away, which is only ever completed');
  // There is no cut-over, and a device that has grown cannot become smaller.
  if (differences.includes('size') && plan.cutOverIndex === null)
    return refused('cut-over-passed', 'its card was told to grow the volume, which cannot become smaller again');
  return null;
}
