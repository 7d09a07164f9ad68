import type { Capabilities, DesiredVolume, ObservedVolume, PlannedCardStep, Problem } from '@flexbso/contracts';
import {
  type PlannedVolume,
  acceptedPlanOf,
  isApplied,
  isSettled,
  isWantedExport,
  planCard,
  plannedVolumeOf,
} from '@flexbso/stack';
import { type Operation, type VolumeBook, isPastReturn, isSameWork, isStopped, stoppedBy } from './book.js';

export interface DecisionInput {
  readonly cardId: string;
  readonly desired: DesiredVolume;
  readonly book: VolumeBook;
  readonly observed: ObservedVolume;
  readonly capabilities: Capabilities;
}

/**
 * What to do about a volume next.
 * - rest: nothing; it is as it should be, or an operator must decide.
 * - run: carry out `steps` for the operation of `desired`, begun before or not.
 * - amend: go on with the open operation as that of `desired`, which wants other limits.
 * - heal: build again what was applied, by `steps`.
 * - undo: take the open operation back, for `problem`.
 * - withdraw: the intended cut-over is shown not to have happened: take it back for `problem`.
 * - conclude: the operation ends in `phase`.
 * - stand-off: nothing, before an operator has mended it: what runs is not what the journal says.
 * - wait: look again; `reason` says for what.
 */
export type Decision =
  | { readonly kind: 'rest' }
  | { readonly kind: 'run'; readonly desired: DesiredVolume; readonly steps: readonly PlannedCardStep[] }
  | { readonly kind: 'amend'; readonly desired: DesiredVolume }
  | { readonly kind: 'heal'; readonly desired: DesiredVolume; readonly steps: readonly PlannedCardStep[] }
  | { readonly kind: 'undo'; readonly problem: Problem }
  | { readonly kind: 'withdraw'; readonly problem: Problem }
  | {
      readonly kind: 'conclude';
      readonly desired: DesiredVolume;
      readonly phase: 'settled' | 'gone' | 'undone' | 'refused' | 'plan-changed' | 'needs-operator';
      readonly problem: Problem | null;
    }
  | { readonly kind: 'stand-off'; readonly problem: Problem }
  | { readonly kind: 'wait'; readonly reason: string; readonly problem: Problem | null };

/** Pure: from what is wanted, remembered and observed to what is done next. Observation outweighs memory. */
export function decide(input: DecisionInput): Decision {
  const { desired, book } = input;
  const { operation } = book;
  const stopped = stoppedBy(book, desired.operationId);
  if (stopped?.phase === 'needs-operator') return onceDecided(input, stopped.problem);
  const amendment = onAmendment(input);
  if (amendment) return amendment;
  if (operation?.cutOverIntended) {
    const contradiction = afterCutOverIntent(input, operation);
    if (contradiction) return contradiction;
  } else if (operation && (operation.undoing || operation.desired.operationId !== desired.operationId)) {
    return takeBack(input, operation);
  } else {
    const cancelled = onCancel(input);
    if (cancelled) return cancelled;
  }
  const disagreement = disagreementOf(input);
  if (disagreement) return { kind: 'stand-off', problem: disagreement };
  if (stopped) return keepApplied(input);
  // An operation past its cut-over is completed before a newer one is looked at.
  const wanted = operation?.cutOverIntended ? operation.desired : desired;
  return needsOldStackFirst(input, wanted) ? keepApplied(input) : towards(input, wanted);
}

/**
 * Whoever leaves nothing but one of the two generations open, as it was wanted, has decided for it. Until then nothing is
 * done, also when the data plane dies: which stack may be opened is what is to be decided.
 */
function onceDecided({ desired, book: { applied }, observed }: DecisionInput, problem: Problem | null): Decision {
  if (desired.tombstone) return { kind: 'rest' };
  if (isSettled(observed, plannedVolumeOf(desired)))
    return { kind: 'conclude', desired, phase: 'settled', problem: null };
  const isBack = applied && !isSameWork(applied, desired) && isSettled(observed, plannedVolumeOf(applied));
  return isBack ? { kind: 'conclude', desired, phase: 'undone', problem } : { kind: 'rest' };
}

/**
 * The rule of the one cut-over while its intent is on disk. With the data plane gone, or the head not built,
 * only the new stack may be opened, which planning does by itself. With the head on the old stack, only what
 * the data plane itself still knows of the copy tells whether the cut-over can come, or never will.
 */
function afterCutOverIntent({ observed }: DecisionInput, operation: Operation): Decision | null {
  const { head, copy } = observed;
  const newGeneration = operation.desired.stack.stackGeneration;
  if (head === null || head.stackGeneration === newGeneration) return null;
  // An overlay holds everything from the start, whether the head is on it yet or not.
  if (operation.desired.bases?.[0]?.stackGeneration === head.stackGeneration) return null;
  if (copy?.state === 'in-transition' || copy?.state === 'done') {
    return { kind: 'wait', reason: 'the data plane to finish the cut-over', problem: null };
  }
  if (copy?.state === 'failed' && copy.toStackGeneration === newGeneration) {
    const detail = `the copy into stack ${newGeneration} failed before the cut-over: ${copy.error ?? 'no reason given'}`;
    return { kind: 'withdraw', problem: { code: 'step-failed', detail } };
  }
  if (copy?.state === 'ready' && copy.toStackGeneration === newGeneration) return null;
  const detail =
    `the cut-over to stack ${newGeneration} was intended, but the head is on stack ${head.stackGeneration} ` +
    `and the copy is ${copy?.state ?? 'gone'}: which stack is current must be decided by an operator; nothing is touched`;
  return {
    kind: 'conclude',
    desired: operation.desired,
    phase: 'needs-operator',
    problem: { code: 'needs-operator', detail },
  };
}

function takeBack(input: DecisionInput, operation: Operation): Decision {
  const problem = operation.undoing ?? {
    code: 'change-refused',
    detail: 'a newer change took its place before the cut-over',
  };
  if (!operation.undone) return { kind: 'undo', problem };
  const { applied } = input.book;
  // Undone is said only once the guest is as before, also when the data plane died meanwhile.
  if (applied && !isApplied(input.observed, plannedVolumeOf(applied))) return keepApplied(input);
  return { kind: 'conclude', desired: operation.desired, phase: 'undone', problem };
}

/**
 * Null: what is wanted amends nothing that is open or has ended here. What ended without being carried out has ended for
 * its amendment too; what was carried out is amended by an operation of its own, which is planned like any other.
 */
function onAmendment({ desired, book: { operation, concluded } }: DecisionInput): Decision | null {
  const { operationId } = desired;
  if (operation)
    return operation.desired.operationId !== operationId && isSameWork(operation.desired, desired)
      ? { kind: 'amend', desired }
      : null;
  if (!concluded || concluded.operationId === operationId || !isSameWork(concluded, desired)) return null;
  const { phase, problem } = concluded;
  return isStopped(phase) ? { kind: 'conclude', desired, phase, problem } : null;
}

/** Null: it was not cancelled, or what was cancelled has passed the point from which it is completed. */
function onCancel(input: DecisionInput): Decision | null {
  const { desired, observed } = input;
  const { operation, concluded, applied } = input.book;
  if (!desired.cancelled) return null;
  if ((concluded && isSameWork(concluded, desired)) || (applied && isSameWork(applied, desired))) return null;
  const problem: Problem = { code: 'cancelled', detail: 'it was cancelled before its cut-over' };
  if (operation) return isPastReturn(operation) ? null : { kind: 'undo', problem };
  const notBegun: Decision = { kind: 'conclude', desired, phase: 'undone', problem };
  // Undone is said only of what is as it was before; what it was stands in the journal.
  if (applied) return isSettled(observed, plannedVolumeOf(applied)) ? notBegun : keepApplied(input);
  // Without a journal, of what nothing runs. What was before is nothing, or it cannot be known.
  return !observed.running && beginsFromNothing(input) ? notBegun : null;
}

/** A first generation, or an attachment: the plan that was accepted for it is one of a card that has nothing of it. */
function beginsFromNothing({ cardId, desired, observed, capabilities }: DecisionInput): boolean {
  if (desired.generation === 1) return true;
  const { carriedStackGeneration: appliedStackGeneration = null } = desired;
  const plan = planCard({ cardId, observed, desired: plannedVolumeOf(desired), appliedStackGeneration, capabilities });
  return plan.ok && acceptedPlanOf(plan.steps).digest === desired.plan.digest;
}

/**
 * Why what runs cannot be what the journal says was applied last, or null. Of an operation that is open its own plan
 * tells; a deletion needs no agreement on what is deleted.
 */
function disagreementOf({ cardId, desired, book, observed, capabilities }: DecisionInput): Problem | null {
  const { applied, operation } = book;
  if (operation || applied === null || applied.tombstone || desired.tombstone) return null;
  const planned = plannedVolumeOf(applied);
  if (isSettled(observed, planned)) return null;
  const size = sizeDisagreement(observed, planned);
  if (size) return size;
  const { stackGeneration: appliedStackGeneration } = planned.stack;
  const plan = planCard({ cardId, observed, desired: planned, appliedStackGeneration, capabilities });
  if (!plan.ok) return plan.problem.code === 'needs-operator' ? plan.problem : null;
  // Planning takes it for a move to another function; that would be an open operation.
  const strange = observed.exports.find((shown) => !isWantedExport(shown, planned));
  if (!strange) return null;
  const { volumeId, export: shown } = planned;
  const detail = `volume ${volumeId}: it is shown as ${strange.protocol} on function ${strange.functionId}, and was applied on ${shown.functionId} as ${shown.protocol}; nothing was touched`;
  return { code: 'needs-operator', detail };
}

function sizeDisagreement({ head }: ObservedVolume, { volumeId, sizeBytes }: PlannedVolume): Problem | null {
  if (head === null || head.sizeBytes === sizeBytes) return null;
  const detail = `volume ${volumeId}: its guest has ${head.sizeBytes} bytes, and was given ${sizeBytes}; nothing was touched`;
  return { code: 'needs-operator', detail };
}

/** A data plane that is gone comes back with what the guest had, before anything new is begun on it. */
function needsOldStackFirst({ book, observed }: DecisionInput, wanted: DesiredVolume): boolean {
  if (observed.head !== null || wanted.tombstone || book.applied === null) return false;
  return !book.operation?.cutOverIntended && book.applied.operationId !== wanted.operationId;
}

function keepApplied({ cardId, book, observed, capabilities }: DecisionInput): Decision {
  const { applied } = book;
  if (applied === null || applied.tombstone) return { kind: 'rest' };
  const planned = plannedVolumeOf(applied);
  if (isSettled(observed, planned)) return { kind: 'rest' };
  const plan = planCard({
    cardId,
    observed,
    desired: planned,
    appliedStackGeneration: planned.stack.stackGeneration,
    capabilities,
  });
  if (!plan.ok)
    return {
      kind: 'wait',
      reason: `what was applied cannot be built again: ${plan.problem.detail}`,
      problem: plan.problem,
    };
  return { kind: 'heal', desired: applied, steps: plan.steps };
}

function towards(input: DecisionInput, wanted: DesiredVolume): Decision {
  const { cardId, book, observed, capabilities } = input;
  const planned = plannedVolumeOf(wanted);
  const operation = book.operation?.desired.operationId === wanted.operationId ? book.operation : null;
  const isBegun = operation !== null || book.concluded?.operationId === wanted.operationId;
  if (isSettled(observed, planned)) return settled(book, wanted);
  const appliedStackGeneration = operation?.mayCarryGuest
    ? operation.desired.stack.stackGeneration
    : (book.applied?.stack.stackGeneration ?? wanted.carriedStackGeneration ?? null);
  const plan = planCard({ cardId, observed, desired: planned, appliedStackGeneration, capabilities });
  if (!plan.ok) return refusedPlan(operation, wanted, plan.problem, isBegun);
  if (plan.steps.length === 0) return { kind: 'wait', reason: 'the data plane to come to rest', problem: null };
  return checkedAgainstAccepted(input, wanted, plan.steps, isBegun);
}

function settled(book: VolumeBook, wanted: DesiredVolume): Decision {
  if (book.concluded?.operationId === wanted.operationId && book.operation === null) return { kind: 'rest' };
  return { kind: 'conclude', desired: wanted, phase: wanted.tombstone ? 'gone' : 'settled', problem: null };
}

function refusedPlan(operation: Operation | null, wanted: DesiredVolume, problem: Problem, isBegun: boolean): Decision {
  const isMoment = problem.facts?.['lookAgain'] === true;
  if (isMoment || (isBegun && operation === null))
    return { kind: 'wait', reason: `a plan: ${problem.detail}`, problem };
  if (problem.code === 'needs-operator') return { kind: 'conclude', desired: wanted, phase: 'needs-operator', problem };
  if (!isBegun) return { kind: 'conclude', desired: wanted, phase: 'refused', problem };
  if (operation && !operation.mayCarryGuest) return { kind: 'undo', problem };
  return { kind: 'wait', reason: `a plan: ${problem.detail}`, problem };
}

/** The plan that a person accepted is run as it was accepted, or not at all; a remainder destroys nothing more than it. */
function checkedAgainstAccepted(
  input: DecisionInput,
  wanted: DesiredVolume,
  steps: readonly PlannedCardStep[],
  isBegun: boolean,
): Decision {
  const now = acceptedPlanOf(steps);
  const { plan: accepted } = wanted;
  const isRemainderOfDelete = wanted.tombstone && input.observed.head === null;
  if (now.digest !== accepted.digest && isMemoryLost(input, wanted)) return memoryLost(wanted);
  // The accepted plan had other limits, so it binds what is amended in what it destroys.
  const isAmended = wanted.amends !== undefined;
  const mustBeSame = wanted.origin === 'person' && !isBegun && !isAmended && !isRemainderOfDelete;
  if (mustBeSame && now.digest !== accepted.digest) {
    const kinds = steps.map(({ step }) => step.kind).join(', ');
    const detail = `the plan accepted for generation ${wanted.generation} (${accepted.digest.slice(0, 12)}) is not the one that is right now (${now.digest.slice(0, 12)}: ${kinds}); nothing was begun`;
    const facts = { acceptedDigest: accepted.digest, digest: now.digest, steps: kinds };
    return {
      kind: 'conclude',
      desired: wanted,
      phase: 'plan-changed',
      problem: { code: 'plan-changed', detail, facts },
    };
  }
  const more = now.destroys.filter((what) => !accepted.destroys.includes(what));
  if (more.length > 0) {
    const detail = `going on would destroy ${more.join(', ')}, which the accepted plan does not name; nothing is touched`;
    return { kind: 'conclude', desired: wanted, phase: 'needs-operator', problem: { code: 'needs-operator', detail } };
  }
  const isOver = input.book.operation === null && isBegun;
  return { kind: isOver ? 'heal' : 'run', desired: wanted, steps };
}

/**
 * The volume has had an earlier generation, and yet nothing of it runs here and the journal knows nothing: the journal
 * is lost together with the data plane. A cut-over may have been made and not reported, so either stack may be stale.
 */
function isMemoryLost({ book, observed }: DecisionInput, wanted: DesiredVolume): boolean {
  const knowsNothing = book.applied === null && book.operation === null && book.concluded === null;
  return knowsNothing && observed.head === null && wanted.generation > 1 && !wanted.tombstone;
}

function memoryLost(wanted: DesiredVolume): Decision {
  const detail =
    `nothing of ${wanted.volumeId} runs and its journal is lost, so a cut-over may have been made and never told: ` +
    `which stack is current stands beside the legs on their pools (role); nothing is opened`;
  return { kind: 'conclude', desired: wanted, phase: 'needs-operator', problem: { code: 'needs-operator', detail } };
}
