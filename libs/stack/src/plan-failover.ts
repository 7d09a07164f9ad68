import type { Capabilities, Problem } from '@flexbso/contracts';
import { nothingObserved } from './observation.js';
import { planCard } from './plan-card.js';
import { type ChangePlan, planOf } from './plan-change.js';
import { plannedPoolSteps } from './plan-steps.js';
import { chainOf } from './overlay.js';
import type { PlannedLeg, PlannedStack, PlannedVolume } from './planned-volume.js';
import { problem, refused } from './problems.js';

export interface FailoverPlanInput {
  /** The card that is away. */
  readonly fromCardId: string;
  readonly toCardId: string;
  readonly toCapabilities: Capabilities;
  /** As it was applied and settled on the card that is away. */
  readonly from: PlannedVolume;
  /** The same stack on the other card: its function, and every leg at a higher epoch. */
  readonly to: PlannedVolume;
  /** No card has built the stack yet: header and overlay are still to be written. Left out: it has carried a guest. */
  readonly neverBuilt?: boolean | undefined;
  /** Stacks that snapshots keep and the volume does not stand on: their legs go to the other card too. Left out: none. */
  readonly kept?: { readonly from: readonly PlannedStack[]; readonly to: readonly PlannedStack[] } | undefined;
}

/**
 * The plan of a failover: every pool fences its legs and serves them to the other card, which then builds the stack
 * as it is. Nothing is formatted and nothing copied. Refused `change-refused` when a leg is a file on the machine of
 * the card that is away: nobody else can cut that card off, and it may still be writing.
 */
export function planFailover({ fromCardId, ...input }: FailoverPlanInput): ChangePlan {
  const { from, to, kept, toCardId } = input;
  const local = fenceProblem(fromCardId, legsOf(from, kept?.from));
  if (local) return refused(local);
  const felt = `its device on card ${fromCardId} fails: I/O waits for its legs and ends in errors. It is shown anew on card ${toCardId}, function ${to.export.functionId}`;
  return planTakingOver(input, felt);
}

/** The stack as it is, built on a card that has nothing of it, and formatted where none has built it yet; legs at a higher epoch than before are fenced first. */
export function planTakingOver(
  { toCardId, toCapabilities, from, to, kept, neverBuilt }: Omit<FailoverPlanInput, 'fromCardId'>,
  guestFeels: string | null,
): ChangePlan {
  const card = planCard({
    cardId: toCardId,
    observed: nothingObserved(to.volumeId),
    desired: to,
    appliedStackGeneration: neverBuilt ? null : to.stack.stackGeneration,
    capabilities: toCapabilities,
  });
  if (!card.ok) return card;
  const before = legsOf(from, kept?.from);
  const fences = legsOf(to, kept?.to).flatMap(({ legId, poolId, epoch }) => {
    const fromEpoch = epochOf(to.volumeId, before, legId);
    if (fromEpoch === epoch) return [];
    return plannedPoolSteps(poolId, to.volumeId, [
      { kind: 'fence-leg', legId, fromEpoch, epoch },
      { kind: 'serve-leg', legId, epoch, holderCardId: toCardId },
    ]);
  });
  const said = { guestFeels, grows: null, lacks: [], lacksAfter: [] };
  return { ok: true, plan: planOf([...fences, ...card.steps], card.steps, said) };
}

/** Of a volume, and of what snapshots keep of it. */
export function legsOf(volume: PlannedVolume, kept: readonly PlannedStack[] = []): PlannedLeg[] {
  return [...chainOf(volume), ...kept].flatMap(({ legs }) => legs);
}

/** Why a volume's legs cannot all be fenced from its card, or null. */
export function fenceProblem(cardId: string, legs: readonly PlannedLeg[]): Problem | null {
  const local = legs.find(({ addressKind }) => addressKind === 'file');
  if (!local) return null;
  const { legId, poolId } = local;
  const detail = `${legId} is a file on pool ${poolId}, in the host of card ${cardId}: nobody else can cut that card off from it. The volume stays unreachable until the card returns`;
  return problem('change-refused', detail, { legId, poolId, cardId });
}

function epochOf(volumeId: string, legs: readonly PlannedLeg[], legId: string): number {
  const leg = legs.find((one) => one.legId === legId);
  if (!leg)
    throw new Error(`whoever takes a volume over keeps the legs of ${volumeId}, and ${legId} is not one of them`);
  return leg.epoch;
}
