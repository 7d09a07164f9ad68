import type { Capabilities, ObservedVolume, PlannedCardStep } from '@flexbso/contracts';
import { type Way, adjust, raise, removeAll, swap } from './card-ways.js';
import { contradictionOf, transitionProblem } from './contradiction.js';
import { plannedCardSteps } from './plan-steps.js';
import type { PlannedVolume } from './planned-volume.js';
import { type Refused, refused } from './problems.js';
import { stackProblem } from './refusals.js';

export interface CardPlanInput {
  readonly cardId: string;
  /** What the card's data plane runs now. */
  readonly observed: ObservedVolume;
  readonly desired: PlannedVolume;
  /**
   * The stack generation known to have carried the guest; null: none has. From the moment that the intent to
   * cut over is journaled it is the new one, since the copy kept that complete. A stack named here is never formatted.
   */
  readonly appliedStackGeneration: number | null;
  /** The card's own. */
  readonly capabilities: Capabilities;
}

export type CardPlan = { readonly ok: true; readonly steps: PlannedCardStep[] } | Refused;

/**
 * The steps that bring a volume on a card from what is observed to what is desired; none when that is so already.
 * Same inputs, same steps. In the middle of a change it gives the remainder, or a clean-up and a new start.
 * Retired stacks are closed last, after the wanted generation carries the guest.
 *
 * Refused: `needs-operator` (the observation contradicts what is recorded), `missing-capability`, `invalid-stack`,
 * `change-refused`, or `data-plane-failed` with the fact `lookAgain` (a copy between two states).
 */
export function planCard(input: CardPlanInput): CardPlan {
  const way = wayOf(input);
  if ('problem' in way) return refused(way.problem);
  return { ok: true, steps: plannedCardSteps(input.cardId, input.desired.volumeId, way.steps) };
}

function wayOf(input: CardPlanInput): Way {
  const { observed, desired, appliedStackGeneration } = input;
  const inTransition = transitionProblem(observed);
  if (inTransition) return { problem: inTransition };
  if (desired.tombstone) return removeAll(input);
  const unfit = stackProblem(desired) ?? contradictionOf(observed, desired, appliedStackGeneration);
  if (unfit) return { problem: unfit };
  const { head } = observed;
  if (!head) return raise(input);
  return head.stackGeneration === desired.stack.stackGeneration ? adjust(input, head) : swap(input, head);
}
