import type { Problem } from '@flexbso/contracts';
import { expectedObservation } from './observation.js';
import { planCard } from './plan-card.js';
import { type ChangePlan, goesAway, planOf } from './plan-change.js';
import { type FailoverPlanInput, legsOf, planTakingOver } from './plan-failover.js';
import type { PlannedLeg, PlannedVolume } from './planned-volume.js';
import { problem, refused } from './problems.js';

/**
 * The plan of taking a volume off its card: all that the card has of it ends, and nothing is done to its legs.
 * @param from as applied and settled
 */
export function planDetach(cardId: string, from: PlannedVolume): ChangePlan {
  const card = planCard({
    cardId,
    observed: expectedObservation(from),
    desired: { ...from, tombstone: true },
    appliedStackGeneration: from.stack.stackGeneration,
    // Taking away needs none.
    capabilities: { has: [], lacks: [] },
  });
  if (!card.ok) return card;
  const said = { guestFeels: goesAway(from), grows: null, lacks: [], lacksAfter: [] };
  return { ok: true, plan: planOf(card.steps, card.steps, said) };
}

/**
 * `fromCardId` is the card that it was last on, which has reported that it closed every leg; `from` is detached; `to` is
 * with its function, and on another card with every leg at a higher epoch.
 */
export type AttachPlanInput = FailoverPlanInput;

/**
 * The plan of showing a detached volume again: the card builds the stack as it is, and formats only what none has built yet. On another card
 * every leg is fenced first, so that the card it was on cannot come back to it. Refused `change-refused` when a leg is
 * a file in that card's host.
 */
export function planAttach({ fromCardId, ...input }: AttachPlanInput): ChangePlan {
  const { toCardId, from, to, kept } = input;
  const local = fromCardId === toCardId ? null : localLegProblem(fromCardId, toCardId, legsOf(from, kept?.from));
  if (local) return refused(local);
  const felt = `it is shown as a new device on card ${toCardId}, function ${to.export.functionId}`;
  return planTakingOver(input, felt);
}

/** Why a volume's legs cannot all be opened by another card than the one that they are, or were, open on; or null. */
export function localLegProblem(fromCardId: string, toCardId: string, legs: readonly PlannedLeg[]): Problem | null {
  const local = legs.find(({ addressKind }) => addressKind === 'file');
  if (!local) return null;
  const { legId, poolId } = local;
  const detail = `${legId} is a file on pool ${poolId}, in the host of card ${fromCardId}: card ${toCardId} cannot open it. Attach the volume to ${fromCardId}, move its legs to pools that ${toCardId} reaches over the network, and detach it again`;
  return problem('change-refused', detail, { legId, poolId, cardId: toCardId });
}
