import type {
  AcceptedPlan,
  CardStep,
  PlannedCardStep,
  PlannedPoolStep,
  PlannedStep,
  PoolStep,
  ShownStep,
} from '@flexbso/contracts';
import { canonicalDigest } from './canonical.js';
import { rowOf } from './step-table.js';

/**
 * Steps of one volume on a card, as they stand in a plan. From the cut-over on nothing is undone: the old
 * stack is stale from the guest's first write.
 */
export function plannedCardSteps(cardId: string, volumeId: string, steps: readonly CardStep[]): PlannedCardStep[] {
  const cutOverIndex = steps.findIndex(({ kind }) => kind === 'cut-over');
  return steps.map((step, index) => {
    const row = rowOf(step);
    const isPastCutOver = cutOverIndex !== -1 && index >= cutOverIndex;
    return {
      actor: { role: 'card', id: cardId },
      volumeId,
      step,
      undo: isPastCutOver ? null : row.undo,
      cutOver: index === cutOverIndex,
      destroys: row.destroys(),
    };
  });
}

export function plannedPoolSteps(poolId: string, volumeId: string, steps: readonly PoolStep[]): PlannedPoolStep[] {
  return steps.map((step) => {
    const row = rowOf(step);
    return {
      actor: { role: 'pool', id: poolId },
      volumeId,
      step,
      undo: row.undo,
      cutOver: false,
      destroys: row.destroys(),
    };
  });
}

/** The steps as a person is shown them: what each does, in a sentence, and how long it usually takes. */
export function shownSteps(steps: readonly PlannedStep[]): ShownStep[] {
  return steps.map((planned) => {
    const row = rowOf(planned.step);
    return { ...planned, does: sentenceOf(row.describe()), expectedSeconds: row.expectedMs() / 1000 };
  });
}

function sentenceOf(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}

/**
 * SHA-256 over the canonical JSON of what binds, 64 hex digits: the order of keys does not matter, that of steps does,
 * and neither do the words and the time with which a step is shown.
 */
export function digestOf(steps: readonly PlannedStep[]): string {
  return canonicalDigest(
    steps.map(({ actor, volumeId, step, undo, cutOver, destroys }) => ({
      actor,
      volumeId,
      step,
      undo,
      cutOver,
      destroys,
    })),
  );
}

/** What an accepted plan binds its executor to. */
export function acceptedPlanOf(steps: readonly PlannedStep[]): AcceptedPlan {
  return { digest: digestOf(steps), cutOver: steps.some(({ cutOver }) => cutOver), destroys: destroysOf(steps) };
}

export function destroysOf(steps: readonly PlannedStep[]): string[] {
  return [...new Set(steps.flatMap(({ destroys }) => destroys))].toSorted();
}
