import { isDeepStrictEqual } from 'node:util';
import {
  type CardStep,
  type DesiredVolume,
  type ObservedVolume,
  type PlannedCardStep,
  type Problem,
  type StepOutcome,
  type VolumePhase,
  desiredVolumeSchema,
  legIdSchema,
  outageSchema,
  plannedCardStepSchema,
  problemSchema,
  stepOutcomeSchema,
  volumePhaseSchema,
} from '@flexbso/contracts';
import { acceptedPlanOf, desiredStacks } from '@flexbso/stack';
import { z } from 'zod';

/** One step of an operation, as the journal knows it. */
const bookedStepSchema = z.strictObject({ planned: plannedCardStepSchema, outcome: stepOutcomeSchema });
export type BookedStep = z.infer<typeof bookedStepSchema>;

const operationSchema = z.strictObject({
  desired: desiredVolumeSchema,
  /** The steps that were begun, each at its index in the plan. */
  steps: z.array(bookedStepSchema),
  /** The plan as it was accepted; a remainder that is planned again keeps its indices. */
  plan: z.array(plannedCardStepSchema),
  /** The intent of the cut-over is on disk: from here on only the new stack may be opened. */
  cutOverIntended: z.boolean(),
  /** The guest may have written to this operation's stack: it was exported, or cut over to. Never format it. */
  mayCarryGuest: z.boolean(),
  /** Set: the operation is being taken back, for this reason. */
  undoing: problemSchema.nullable(),
  /** Every step with an undo has been undone. */
  undone: z.boolean(),
});
export type Operation = z.infer<typeof operationSchema>;

const conclusionSchema = z.strictObject({
  operationId: desiredVolumeSchema.shape.operationId,
  /** As its desired state had it. */
  amends: desiredVolumeSchema.shape.amends,
  generation: desiredVolumeSchema.shape.generation,
  phase: volumePhaseSchema,
  problem: problemSchema.nullable(),
  steps: z.array(stepOutcomeSchema),
  closedLegIds: z.array(legIdSchema),
});
export type Conclusion = z.infer<typeof conclusionSchema>;

const awaySchema = outageSchema.pick({ fromMs: true, fromIsExact: true }).extend({
  /** What its data plane held in memory went with it, as far as it is known. */
  memoryLost: z.boolean().default(false),
});
export type Away = z.infer<typeof awaySchema>;

/** What the journal tells of one volume; the sum of its entries. */
export const volumeBookSchema = z.strictObject({
  /** The newest desired state that anything was begun for; survives a lost state file. */
  desired: desiredVolumeSchema.nullable(),
  /** The last desired state that was seen to carry the guest. */
  applied: desiredVolumeSchema.nullable(),
  operation: operationSchema.nullable(),
  /** How the last operation ended. */
  concluded: conclusionSchema.nullable(),
  /** Legs that older operations held and that have not yet been reported closed. */
  formerLegIds: z.array(legIdSchema),
  /** Set while the volume's I/O is away: since when, as well as it is known. */
  away: awaySchema.nullable().default(null),
  /** When its I/O was last away, and how long. */
  outage: outageSchema.nullable().default(null),
});
export type VolumeBook = z.infer<typeof volumeBookSchema>;

export const emptyBook: VolumeBook = {
  desired: null,
  applied: null,
  operation: null,
  concluded: null,
  formerLegIds: [],
  away: null,
  outage: null,
};

const atMs = z.int();
export const bookEntrySchema = z.discriminatedUnion('kind', [
  /** Stands for all entries before it. */
  z.strictObject({ kind: z.literal('book'), book: volumeBookSchema }),
  z.strictObject({ kind: z.literal('begin'), desired: desiredVolumeSchema, plan: z.array(plannedCardStepSchema) }),
  /** The open operation goes on as this one, which differs from it in its limits alone. */
  z.strictObject({ kind: z.literal('amended'), desired: desiredVolumeSchema }),
  z.strictObject({ kind: z.literal('intent'), index: z.int(), planned: plannedCardStepSchema, atMs }),
  z.strictObject({ kind: z.literal('done'), index: z.int(), atMs }),
  z.strictObject({ kind: z.literal('failed'), index: z.int(), atMs, problem: problemSchema }),
  /** The data plane itself showed that the intended cut-over did not happen and cannot: back is right again. */
  z.strictObject({ kind: z.literal('cut-over-withdrawn'), problem: problemSchema }),
  z.strictObject({ kind: z.literal('undoing'), problem: problemSchema }),
  z.strictObject({ kind: z.literal('undone'), atMs }),
  /** What was last applied is built again; derived from observation, so it needs no steps here. */
  z.strictObject({ kind: z.literal('healing'), generation: z.int(), stepKinds: z.array(z.string()), atMs }),
  /** The wanted stack was seen to carry the guest. */
  z.strictObject({ kind: z.literal('applied'), desired: desiredVolumeSchema, atMs }),
  /** The volume's I/O was found to be away; and, later, to be back. */
  z.strictObject({ kind: z.literal('away'), away: awaySchema }),
  z.strictObject({ kind: z.literal('back'), outage: outageSchema }),
  /** `formerLegIds`: legs that this end did not report as closed, and that a later one has to. */
  z.strictObject({ kind: z.literal('concluded'), conclusion: conclusionSchema, formerLegIds: z.array(legIdSchema) }),
]);
export type BookEntry = z.infer<typeof bookEntrySchema>;

export function foldBook(entries: readonly BookEntry[], from: VolumeBook = emptyBook): VolumeBook {
  return entries.reduce(entered, from);
}

function entered(book: VolumeBook, entry: BookEntry): VolumeBook {
  switch (entry.kind) {
    case 'book':
      return entry.book;
    case 'begin':
      return begun(book, entry.desired, entry.plan);
    case 'amended':
      return amended(book, entry.desired);
    case 'healing':
      return book;
    case 'applied':
      return { ...book, applied: entry.desired };
    case 'away':
      return { ...book, away: entry.away };
    case 'back':
      return { ...book, away: null, outage: entry.outage };
    case 'concluded':
      return concluded(book, entry.conclusion, entry.formerLegIds);
    default:
      return book.operation ? { ...book, operation: progressed(book.operation, entry) } : book;
  }
}

function begun(book: VolumeBook, desired: DesiredVolume, plan: PlannedCardStep[]): VolumeBook {
  // What it amends has settled: that carries the guest, and there is nothing to go back to.
  const goesOn = book.applied !== null && desired.amends !== undefined && isSameWork(book.applied, desired);
  const operation = {
    desired,
    plan,
    steps: [],
    cutOverIntended: goesOn,
    mayCarryGuest: goesOn,
    undoing: null,
    undone: false,
  };
  const former = [...book.formerLegIds, ...legIdsOf(book.applied), ...legIdsOf(book.operation?.desired ?? null)];
  // What the operation before it said as its end is nobody's news any more once it is amended.
  if (book.concluded && isSameWork(book.concluded, desired)) former.push(...book.concluded.closedLegIds);
  return { ...book, desired, operation, concluded: null, formerLegIds: [...new Set(former)] };
}

function amended(book: VolumeBook, desired: DesiredVolume): VolumeBook {
  if (!book.operation) return book;
  const { qos } = desired;
  // The limits asked for last hold however it ends: they are part of what it goes back to as well.
  const applied = book.applied && !isSameWork(book.applied, desired) ? { ...book.applied, qos } : book.applied;
  return { ...book, desired, applied, operation: { ...book.operation, desired } };
}

function concluded(book: VolumeBook, conclusion: Conclusion, formerLegIds: string[]): VolumeBook {
  const isGone = conclusion.phase === 'gone';
  const served = isGone ? { applied: null, away: null } : {};
  return { ...book, ...served, operation: null, concluded: conclusion, formerLegIds };
}

type OperationEntry = Exclude<
  BookEntry,
  {
    kind: 'book' | 'begin' | 'amended' | 'healing' | 'applied' | 'away' | 'back' | 'concluded';
  }
>;

function progressed(operation: Operation, entry: OperationEntry): Operation {
  switch (entry.kind) {
    case 'intent':
      return intended(operation, entry);
    case 'done':
      return withOutcome(operation, entry.index, { outcome: 'done', endedAtMs: entry.atMs });
    case 'failed':
      return withOutcome(operation, entry.index, { outcome: 'failed', endedAtMs: entry.atMs });
    case 'cut-over-withdrawn':
      return { ...operation, cutOverIntended: false, mayCarryGuest: false, undoing: entry.problem };
    case 'undoing':
      return { ...operation, undoing: entry.problem };
    default:
      return { ...operation, undone: true, steps: operation.steps.map((step) => takenBack(step, entry.atMs)) };
  }
}

function intended(
  operation: Operation,
  { index, planned, atMs: startedAtMs }: Extract<BookEntry, { kind: 'intent' }>,
): Operation {
  const outcome: StepOutcome = { index, kind: planned.step.kind, outcome: 'running', startedAtMs, endedAtMs: null };
  const others = operation.steps.filter((step) => step.outcome.index !== index);
  return {
    ...operation,
    steps: [...others, { planned, outcome }],
    cutOverIntended: operation.cutOverIntended || planned.cutOver,
    mayCarryGuest: operation.mayCarryGuest || planned.cutOver || planned.step.kind === 'export-volume',
  };
}

function withOutcome(
  operation: Operation,
  index: number,
  change: Pick<StepOutcome, 'outcome' | 'endedAtMs'>,
): Operation {
  const steps = operation.steps.map((step) =>
    step.outcome.index === index ? { ...step, outcome: { ...step.outcome, ...change } } : step,
  );
  return { ...operation, steps };
}

function takenBack(step: BookedStep, endedAtMs: number): BookedStep {
  if (step.planned.undo === null) return step;
  return { ...step, outcome: { ...step.outcome, outcome: 'undone', endedAtMs } };
}

type Named = Pick<DesiredVolume, 'operationId' | 'amends'>;

/** Whether both are the same operation, or one of them goes on with the other under other limits. */
export function isSameWork(left: Named, right: Named): boolean {
  return (left.amends ?? left.operationId) === (right.amends ?? right.operationId);
}

export function legIdsOf(desired: DesiredVolume | null): string[] {
  return desired === null ? [] : desiredStacks(desired).flatMap(({ legs }) => legs.map(({ legId }) => legId));
}

export function outcomesOf(operation: Operation | null): StepOutcome[] {
  return (operation?.steps ?? []).map(({ outcome }) => outcome).toSorted((left, right) => left.index - right.index);
}

/**
 * The ends of steps of which none was heard: their agent died, or the answer was lost. What is not among the `steps` that
 * are planned from what is seen is there, or is not needed any more.
 */
export function seenDone({ operation }: VolumeBook, steps: readonly PlannedCardStep[], nowMs: number): BookEntry[] {
  return (operation?.steps ?? []).flatMap(({ planned, outcome }): BookEntry[] => {
    const isOpen = outcome.outcome === 'running' || outcome.outcome === 'failed';
    const isAhead = steps.some(({ step }) => isDeepStrictEqual(step, planned.step));
    return isOpen && !isAhead ? [{ kind: 'done', index: outcome.index, atMs: nowMs }] : [];
  });
}

/** Whether a step was begun, and how it ended is not known: whoever was in it died. */
export function isInStep({ operation }: VolumeBook, step: CardStep): boolean {
  const known = operation?.steps.find(({ planned }) => isDeepStrictEqual(planned.step, step));
  return known?.outcome.outcome === 'running';
}

/** The index that a step has in the accepted plan; a step that is not in it comes after all of them. */
export function indexOfStep(operation: Operation, step: CardStep): number {
  const known = operation.plan.findIndex((planned) => isDeepStrictEqual(planned.step, step));
  if (known !== -1) return known;
  const earlier = operation.steps.find((booked) => isDeepStrictEqual(booked.planned.step, step));
  if (earlier) return earlier.outcome.index;
  return Math.max(operation.plan.length - 1, ...operation.steps.map(({ outcome }) => outcome.index)) + 1;
}

/**
 * Whether the operation is only ever completed from here on, and no longer taken back or held on anybody's wish: the
 * guest may be carried by what it made, or it has begun what has no way back (a larger device, a deletion).
 */
export function isPastReturn({ desired, cutOverIntended, mayCarryGuest, steps }: Operation): boolean {
  if (cutOverIntended || mayCarryGuest) return true;
  const kinds = steps.map(({ planned }) => planned.step.kind);
  // A device that was taken off its function, or that its guest would not let go, is shown again.
  return desired.tombstone ? kinds.some((kind) => kind !== 'unexport-volume') : kinds.includes('grow-head');
}

/** Its guest sees more than what was applied: a device does not shrink, so what fails from then on is tried again. */
export function hasGrown({ applied }: VolumeBook, { head }: Pick<ObservedVolume, 'head'>): boolean {
  return head !== null && applied !== null && head.sizeBytes > applied.sizeBytes;
}

/**
 * It takes back what another had begun, so that nobody accepted a plan of it: there is nothing further back, and what
 * fails of it is tried again.
 */
export function isWayBack({ origin, plan }: Pick<DesiredVolume, 'origin' | 'plan'>): boolean {
  return origin === 'healing' && plan.digest === acceptedPlanOf([]).digest;
}

/** The phases after which an operation is not tried again by itself. */
const stoppedPhases = ['undone', 'refused', 'plan-changed', 'needs-operator'] as const;
export type StoppedPhase = (typeof stoppedPhases)[number];

export function isStopped(phase: VolumePhase): phase is StoppedPhase {
  return stoppedPhases.some((one) => one === phase);
}

/** Why an operation is not tried again, or null when it may be. */
export function stoppedBy(
  book: VolumeBook,
  operationId: string,
): { phase: VolumePhase; problem: Problem | null } | null {
  const { concluded: end } = book;
  if (end === null || end.operationId !== operationId || !isStopped(end.phase)) return null;
  return { phase: end.phase, problem: end.problem };
}
