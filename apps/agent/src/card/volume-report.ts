import type {
  DesiredVolume,
  LegFault,
  ObservedVolume,
  Outage,
  Problem,
  StepOutcome,
  VolumePhase,
  VolumeReport,
} from '@flexbso/contracts';
import { type Conclusion, type VolumeBook, foldBook, legIdsOf, outcomesOf, seenDone } from './book.js';

/** The contract's bounds; what is beyond is in the journal. */
const MAX_STEPS = 100;
const MAX_CLOSED_LEGS = 64;
const MAX_WAITING_FOR = 300;

export interface Situation {
  readonly desired: DesiredVolume;
  readonly phase: VolumePhase;
  readonly steps: readonly StepOutcome[];
  readonly observed: ObservedVolume | null;
  readonly closedLegIds?: readonly string[];
  readonly bytesCopied?: number;
  readonly problem?: Problem | null;
  readonly outage?: Outage | null;
  readonly legFaults?: readonly LegFault[];
  readonly waiting?: { readonly for: string; readonly sinceMs: number } | null;
}

export function volumeReport(situation: Situation): VolumeReport {
  const { desired, phase, observed } = situation;
  const { copy } = observed ?? { copy: null };
  return {
    volumeId: desired.volumeId,
    operationId: desired.operationId,
    generation: desired.generation,
    phase,
    steps: situation.steps.slice(0, MAX_STEPS),
    progress: copy ? { doneBytes: copy.doneBytes, totalBytes: copy.totalBytes } : null,
    waitingFor: situation.waiting?.for.slice(0, MAX_WAITING_FOR) ?? null,
    waitingSinceMs: situation.waiting?.sinceMs ?? null,
    closedLegIds: (situation.closedLegIds ?? []).slice(0, MAX_CLOSED_LEGS),
    bytesCopied: Math.max(situation.bytesCopied ?? 0, copy?.doneBytes ?? 0),
    uri: observed?.exports[0]?.uri || null,
    problem: situation.problem ?? null,
    observed,
    outage: situation.outage ?? null,
    legFaults: [...(situation.legFaults ?? [])],
  };
}

/** Said again after a restart: how the last operation ended. */
export function concludedReport(
  desired: DesiredVolume,
  conclusion: Conclusion,
  observed: ObservedVolume | null,
  more: Pick<Situation, 'bytesCopied' | 'outage' | 'legFaults'>,
): VolumeReport {
  const { phase, steps, closedLegIds, problem } = conclusion;
  return volumeReport({ desired, phase, steps, closedLegIds, problem, observed, ...more });
}

/** How an operation that was begun in `book` ends; `closedLegIds` are the legs that this card has no use for any more. */
export function conclusionOf(
  book: VolumeBook,
  desired: DesiredVolume,
  { phase, problem, nowMs }: { phase: VolumePhase; problem: Problem | null; nowMs: number },
): Conclusion {
  // What was seen to be as it is wanted has no step that is still under way.
  const isMade = phase === 'settled' || phase === 'gone';
  const { operation } = isMade ? foldBook(seenDone(book, [], nowMs), book) : book;
  const own = operation?.desired.operationId === desired.operationId ? operation : null;
  return {
    operationId: desired.operationId,
    ...(desired.amends === undefined ? {} : { amends: desired.amends }),
    generation: desired.generation,
    phase,
    problem,
    steps: outcomesOf(own).slice(0, MAX_STEPS),
    closedLegIds: closedLegs(book, desired, phase),
  };
}

function closedLegs(book: VolumeBook, desired: DesiredVolume, phase: VolumePhase): string[] {
  const kept = keptLegs(book, desired, phase);
  const held = [...new Set([...book.formerLegIds, ...legIdsOf(desired)])];
  return kept === null ? [] : held.filter((legId) => !kept.includes(legId));
}

/** Legs that stay in use after an operation ended in `phase`; null: nothing may be said to be closed. */
function keptLegs(book: VolumeBook, desired: DesiredVolume, phase: VolumePhase): string[] | null {
  switch (phase) {
    case 'gone':
      return [];
    case 'settled':
      return legIdsOf(desired);
    case 'undone':
    case 'refused':
    case 'plan-changed':
      return legIdsOf(book.applied);
    default:
      return null;
  }
}
