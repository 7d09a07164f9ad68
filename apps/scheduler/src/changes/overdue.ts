import { type Overdue, type PlannedStep } from '@flexbso/contracts';
import { overdueAfterMs } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { ChangeRecord, DueStep } from './change-record.js';
import type { Deciding, Draft } from './draft.js';
import { isUntold } from './hold.js';

/**
 * For what an agent has to say or take back and the plan has no step for: as long as the slowest step but a copy may
 * take, which is a remote pool's reconnect of some 30 s and the step itself.
 */
const reportLimitMs = 45_000;

type Due = Omit<DueStep, 'sinceMs'>;

/**
 * Notes which step the change is in, and since when; the limits are those of the table of steps. A step that is tried
 * again is the same step.
 *
 * @returns whether it has just become overdue
 */
export function noteDue(draft: Draft, { nowMs }: Deciding): boolean {
  const { change } = draft;
  const due = dueOf(draft);
  if (due === null) change.due = null;
  else if (change.due?.name !== due.name) change.due = { ...due, sinceMs: nowMs };
  const wasOverdue = change.overdue !== null;
  change.overdue = overdueOf(change, nowMs);
  return !wasOverdue && change.overdue !== null;
}

/** What is overdue at an instant; null: nothing is. */
export function overdueOf({ due }: Pick<ChangeRecord, 'due'>, nowMs: number): Overdue | null {
  if (due === null) return null;
  const { kind, limitMs } = due;
  const sinceMs = due.sinceMs + limitMs;
  return nowMs >= sinceMs ? { step: kind, limitMs, sinceMs } : null;
}

function dueOf(draft: Draft): Due | null {
  const { change } = draft;
  switch (change.state) {
    case 'preparing':
      return legDue(
        change,
        draft.legs.find((leg) => leg.awaited && !isUntold(draft, leg)),
      );
    case 'applying':
      return applyingDue(change);
    case 'retiring':
      if (!change.cardSettled) return cardDue(change) ?? agentDue('report');
      return legDue(change, deleting(draft)) ?? (change.paused ? null : agentDue('report'));
    case 'undoing':
      return legDue(change, deleting(draft)) ?? agentDue('undo');
    default:
      return null;
  }
}

const deleting = ({ legs }: Draft) => legs.find((leg) => leg.state === 'deleting');
const agentDue = (kind: 'report' | 'undo'): Due => ({ name: kind, kind, limitMs: reportLimitMs });

/** A card that holds between two steps because it was told to is not late. */
function applyingDue(change: ChangeRecord): Due | null {
  const isInStep = change.steps.some(({ actor, outcome }) => actor.role === 'card' && outcome === 'running');
  return change.paused && !isInStep ? null : (cardDue(change) ?? agentDue('report'));
}

/**
 * The first of the card's steps that is not done: the one that it is in, tries again, or has yet to begin. What was never
 * begun before another is not needed any more, as where limits were lifted meanwhile.
 */
function cardDue(change: ChangeRecord): Due | null {
  const begun = change.steps.flatMap(({ actor, index }) => (actor.role === 'card' ? [index] : []));
  const last = Math.max(-1, ...begun.filter((index) => index < change.plan.steps.length));
  return firstDue(change, ({ actor }, at) => actor.role === 'card' && (at > last || begun.includes(at)));
}

function legDue(change: ChangeRecord, leg: LegRecord | undefined): Due | null {
  if (!leg) return null;
  const isGoing = leg.state === 'deleting';
  const { legId } = leg;
  const planned = firstDue(change, ({ step }) => {
    const isEnd = step.kind === 'stop-serving-leg' || step.kind === 'delete-leg';
    return 'legId' in step && step.legId === legId && step.kind !== 'open-leg' && isEnd === isGoing;
  });
  if (planned || !isGoing) return planned ?? agentDue('report');
  // Of a leg that goes because its change is taken back the plan knows nothing.
  const step = { kind: 'delete-leg', legId } as const;
  return { name: `pool ${leg.poolId} ${legId} delete-leg`, kind: step.kind, limitMs: overdueAfterMs(step) };
}

function firstDue(change: ChangeRecord, isTheirs: (planned: PlannedStep, at: number) => boolean): Due | null {
  const index = change.plan.steps.findIndex((planned, at) => isTheirs(planned, at) && !isDone(change, at));
  const planned = change.plan.steps[index];
  if (!planned) return null;
  const { actor, step } = planned;
  const name = `${actor.role} ${actor.id} ${index} ${step.kind}`;
  return { name, kind: step.kind, limitMs: overdueAfterMs(step) };
}

const isDone = ({ steps }: ChangeRecord, index: number) =>
  steps.some((step) => step.index === index && step.outcome === 'done');
