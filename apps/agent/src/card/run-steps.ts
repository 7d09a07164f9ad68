import type { CardStep, DesiredVolume, ObservedVolume, PlannedCardStep, Problem } from '@flexbso/contracts';
import { type CardDataPlane, type CardSecrets, type CardStepContext, DataPlaneError } from '@flexbso/dataplane-port';
import { span, withTraceHeaders } from '@flexbso/observability';
import { desiredStacks, isChainComplete, plannedVolumeOf } from '@flexbso/stack';
import type { Attributes } from '@opentelemetry/api';
import type { Clock } from '../ports/clock.js';
import type { Attempts } from '../pacing/attempts.js';
import { type BookEntry, type VolumeBook, indexOfStep, isInStep } from './book.js';

export interface StepRun {
  readonly volumeId: string;
  readonly cardId: string;
  readonly desired: DesiredVolume;
  readonly plane: CardDataPlane;
  /** Which other volume of this card has a leg; null: none has. */
  readonly otherVolumeOn: (legId: string) => string | null;
  readonly secrets: CardSecrets;
  readonly clock: Clock;
  readonly attempts: Attempts;
  /** Aborted when the step must stop early. */
  readonly signal: AbortSignal;
  /** The volume's journal: resolves once the entries are on disk, and gives the book that they sum up to. */
  readonly enter: (entries: readonly BookEntry[]) => Promise<VolumeBook>;
  readonly onStep: (step: CardStep, sinceMs: number) => void;
  readonly onProgress: (progress: { doneBytes: number; totalBytes: number }) => void;
  /** Whether the next step is not to begin for now. */
  readonly isHeld: (book: VolumeBook) => boolean;
  /** See {@link CardStepContext.maySpareLegs}. */
  readonly maySpareLegs?: boolean;
  /**
   * Asked before a stack is closed, which only the old generation needed or which is to be opened anew: books and
   * reports *applied*. False: not applied after all.
   */
  readonly beforeRetiring: (pending: readonly BookEntry[], stackGeneration: number) => Promise<boolean>;
}

/** `pending`: entries of the last step that are not on disk yet, to be synced together with what follows. */
export type RunResult =
  | { readonly kind: 'finished'; readonly pending: readonly BookEntry[] }
  | {
      readonly kind: 'failed';
      readonly problem: Problem;
      readonly retryable: boolean;
      readonly pending: readonly BookEntry[];
    }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'held' };

/**
 * Carries out the steps of an operation: intent to disk, act, outcome to disk. A step's outcome and the next
 * one's intent share one sync, so a plan of n steps costs n + 1. The intent of the cut-over is written only
 * when the new stack was just seen to be whole and the copy ready: with it on disk, that stack alone may be opened.
 */
export async function runSteps(run: StepRun, book: VolumeBook, steps: readonly PlannedCardStep[]): Promise<RunResult> {
  let pending: BookEntry[] = [];
  for (const planned of steps) {
    if (run.signal.aborted) return stopped(run, pending, 'interrupted');
    // A step that its agent died in is brought to its end: it may have left the guest worse off until then.
    if (run.isHeld(book) && !isInStep(book, planned.step)) return stopped(run, pending, 'held');
    if (planned.step.kind === 'close-stack') {
      if (!(await run.beforeRetiring(pending, planned.step.stackGeneration))) return notApplied(planned);
      pending = [];
    }
    if (planned.cutOver) {
      const unready = await whyNotReady(run, planned.step);
      if (unready) return { kind: 'failed', problem: unready, retryable: true, pending };
      // What was wished during that look still counts: this is the last moment before there is no way back.
      if (run.signal.aborted) return stopped(run, pending, 'interrupted');
      if (run.isHeld(book)) return stopped(run, pending, 'held');
    }
    const { operation } = book;
    if (operation === null) throw new Error(`steps of ${run.volumeId} without an operation in its journal`);
    const index = indexOfStep(operation, planned.step);
    book = await run.enter([...pending, { kind: 'intent', index, planned, atMs: run.clock.nowMs() }]);
    const maySpareLegs = operation.cutOverIntended && isBuiltAgain(steps);
    const failure =
      (await performOne({ ...run, maySpareLegs }, planned, index)) ?? (await whyNotCutOver(run, planned.step));
    if (failure === 'interrupted') return { kind: 'interrupted' };
    const atMs = run.clock.nowMs();
    if (failure)
      return { kind: 'failed', ...failure, pending: [{ kind: 'failed', index, atMs, problem: failure.problem }] };
    pending = [{ kind: 'done', index, atMs }];
  }
  return { kind: 'finished', pending };
}

async function stopped(run: StepRun, pending: readonly BookEntry[], kind: 'interrupted' | 'held'): Promise<RunResult> {
  if (pending.length > 0) await run.enter(pending);
  return { kind };
}

function notApplied(planned: PlannedCardStep): RunResult {
  const detail = `${planned.step.kind} waits: the wanted generation is not seen to carry the guest`;
  return { kind: 'failed', problem: { code: 'step-failed', detail }, retryable: true, pending: [] };
}

const notWhole =
  'every step before was reported as done, and the legs, layers, key or base that are open are not the wanted ones';

async function whyNotReady(run: StepRun, step: CardStep): Promise<Problem | null> {
  if (step.kind !== 'cut-over') return null;
  const observed = await run.plane.observe(run.volumeId);
  const { copy, head } = observed;
  if (head?.stackGeneration === step.toStackGeneration) return null;
  if (!isChainComplete(observed, plannedVolumeOf(run.desired))) {
    const detail = `no cut-over to stack ${step.toStackGeneration}: ${notWhole}`;
    return { code: 'step-failed', detail };
  }
  if (step.onto === 'overlay') return null;
  if (copy?.state === 'ready' && copy.toStackGeneration === step.toStackGeneration) return null;
  const detail = `no cut-over to stack ${step.toStackGeneration}: the copy is ${copy?.state ?? 'gone'}${copy?.error ? ` (${copy.error})` : ''}`;
  return { code: 'step-failed', detail };
}

/** What comes after it is meant for the new stack: on the old one it would be wrong, and the data plane's word is not enough. */
async function whyNotCutOver(run: StepRun, step: CardStep): Promise<Failure | null> {
  if (step.kind !== 'cut-over') return null;
  const { head } = await run.plane.observe(run.volumeId);
  if (head?.stackGeneration === step.toStackGeneration) return null;
  const where = head === null ? 'there is no head' : `the head is on stack ${head.stackGeneration}`;
  const detail = `the data plane said that it cut over to stack ${step.toStackGeneration}, and ${where}`;
  return { problem: { code: 'step-failed', detail }, retryable: true };
}

/** A stack that was opened wrongly and carries nobody is closed to be opened anew, also where it alone may be opened. */
export function isOpenedAnew(
  { head }: ObservedVolume,
  desired: Pick<DesiredVolume, 'stack' | 'bases'>,
  stackGeneration: number,
): boolean {
  return head === null && desiredStacks(desired).some((stack) => stack.stackGeneration === stackGeneration);
}

type Failure = { readonly problem: Problem; readonly retryable: boolean };

async function performOne(
  run: StepRun,
  planned: PlannedCardStep,
  index: number,
): Promise<Failure | 'interrupted' | null> {
  const { step } = planned;
  run.onStep(step, run.clock.nowMs());
  try {
    assertUnclaimed(run, step);
    await assertWhole(run, step);
    await inStepSpan(run, step, step.kind, index, () => run.plane.perform(run.volumeId, step, contextOf(run)));
    return null;
  } catch (error) {
    return run.signal.aborted ? 'interrupted' : failureOf(error, step.kind);
  }
}

/** Two stacks that write to one leg destroy both volumes. Pools give a leg to one volume; this holds also if a scheduler errs. */
function assertUnclaimed(run: StepRun, step: CardStep): void {
  if (step.kind !== 'open-leg') return;
  const other = run.otherVolumeOn(step.legId);
  if (other === null) return;
  const detail = `${step.legId} is wanted for ${run.volumeId}, and ${other} has it on ${run.cardId}: it is not opened. Find out whose it is (\`flexbso check\`), and delete or move the other volume`;
  throw new DataPlaneError({ code: 'needs-operator', detail, facts: { legId: step.legId, volumeId: other } });
}

/** From the head on a guest may read: what lies beneath it is seen, and not taken from what the steps before it said. */
async function assertWhole(run: StepRun, { kind }: CardStep): Promise<void> {
  if (kind !== 'build-head') return;
  const observed = await run.plane.observe(run.volumeId);
  if (observed.head !== null || isChainComplete(observed, plannedVolumeOf(run.desired))) return;
  const detail = `no head for ${run.volumeId}: ${notWhole}`;
  throw new DataPlaneError({ code: 'step-failed', detail }, { retryable: true });
}

function contextOf({ desired, secrets, onProgress, signal, maySpareLegs = false }: StepRun): CardStepContext {
  return { desired, secrets, onProgress, signal, maySpareLegs };
}

/** The head is put onto a stack as it is: nothing of it is written first. */
function isBuiltAgain(steps: readonly PlannedCardStep[]): boolean {
  const kinds = new Set(steps.map(({ step }) => step.kind));
  return kinds.has('build-head') && !kinds.has('format-encryption') && !kinds.has('format-overlay');
}

export function failureOf(error: unknown, what: string): Failure {
  if (error instanceof DataPlaneError) return { problem: error.problem, retryable: error.retryable };
  return { problem: { code: 'step-failed', detail: `${what}: ${String(error)}`.slice(0, 4000) }, retryable: false };
}

/** Rebuilds what was applied. Nothing is undone when it fails: it is tried again from a new look. */
export async function runHealing(
  run: StepRun,
  steps: readonly PlannedCardStep[],
): Promise<Failure | 'interrupted' | null> {
  const maySpareLegs = isBuiltAgain(steps);
  for (const [index, planned] of steps.entries()) {
    if (run.signal.aborted) return 'interrupted';
    const failure = await performOne({ ...run, maySpareLegs }, planned, index);
    if (failure) return failure;
  }
  return null;
}

/** Takes steps back, the last first. The operation is undone only when each of them was. */
export async function runUndo(
  run: StepRun,
  steps: readonly { planned: PlannedCardStep; index: number }[],
): Promise<Failure | 'interrupted' | null> {
  for (const { planned, index } of steps.toReversed()) {
    const { step, undo } = planned;
    if (undo === null) continue;
    if (run.signal.aborted) return 'interrupted';
    try {
      await inStepSpan(run, step, `${undo} (undo)`, index, () => run.plane.undo(run.volumeId, step, contextOf(run)));
    } catch (error) {
      return run.signal.aborted ? 'interrupted' : failureOf(error, `undo of ${step.kind}`);
    }
  }
  return null;
}

/**
 * A direct child of the change's own span: a crash between two steps loses no parent. Of a step that fails and fails,
 * most attempts have no span.
 */
function inStepSpan(
  run: StepRun,
  step: CardStep,
  name: string,
  index: number,
  work: () => Promise<void>,
): Promise<void> {
  const { desired } = run;
  if (!run.attempts.begin(step)) return work();
  const attributes: Attributes = {
    'bso.volume.id': run.volumeId,
    'bso.card.id': run.cardId,
    'bso.change.id': desired.changeId,
    'bso.operation.id': desired.operationId,
    'bso.generation': desired.generation,
    'bso.step.index': index,
  };
  return withTraceHeaders(desired.trace, () => span(`step ${name}`, attributes, work, { scope: 'flexbso.agent' }));
}
