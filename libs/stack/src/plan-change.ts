import type {
  Capabilities,
  Plan,
  PlannedCardStep,
  PlannedPoolStep,
  PlannedStep,
  PoolStep,
  Problem,
} from '@flexbso/contracts';
import { missingOf } from './capabilities.js';
import { survivesALostLeg } from './layers.js';
import { expectedObservation, nothingObserved, sameLimits } from './observation.js';
import { planCard } from './plan-card.js';
import { acceptedPlanOf, destroysOf, digestOf, plannedPoolSteps, shownSteps } from './plan-steps.js';
import { chainOf } from './overlay.js';
import type { PlannedLeg, PlannedStack, PlannedVolume } from './planned-volume.js';
import { type Refused, problem, refused } from './problems.js';
import { limitsText, rowOf } from './step-table.js';

export interface ChangePlanInput {
  readonly cardId: string;
  readonly cardCapabilities: Capabilities;
  /** As applied and settled; null: the volume is new. */
  readonly from: PlannedVolume | null;
  /** As wanted; a tombstone deletes. New legs are those that `from` does not have, and the other way round. */
  readonly to: PlannedVolume;
  /** Of the pools whose legs grow; others need not be there. */
  readonly poolCapabilities: ReadonlyMap<string, Capabilities>;
  /**
   * The stacks that go with all their legs once the change is applied. Left out: those that `from` stands on and `to` does
   * not. Snapshots keep some of these, and others may have been kept by them until now.
   */
  readonly leaving?: readonly PlannedStack[];
}

/** What follows from the steps alone; what is reserved for them is for whoever keeps the books to add. */
export type PlanOfSteps = Omit<Plan, 'reservations' | 'differences'>;
export type ChangePlan = { readonly ok: true; readonly plan: PlanOfSteps } | Refused;

/**
 * The whole plan of a change: pools make, serve or grow legs; the card does its part; pools let go of what only the
 * old generation had. For a dry run before anything is served, and for the plan that is accepted: `plan.card` is the
 * digest of what `planCard` gives on the card when it observes the applied generation. No difference: no steps.
 */
export function planChange(input: ChangePlanInput): ChangePlan {
  const { cardId, from, to } = input;
  const refusal = refusalOf(input);
  if (refusal) return refused(refusal);
  const built = planCard({
    cardId,
    observed: from ? expectedObservation(from) : nothingObserved(to.volumeId),
    desired: to,
    appliedStackGeneration: from && !to.detached ? from.stack.stackGeneration : null,
    capabilities: input.cardCapabilities,
  });
  if (!built.ok) return built;
  // What no card is to have for now has to be one that a card can build.
  const card = to.detached ? { steps: [] } : built;
  return {
    ok: true,
    plan: planOf([...makeLegs(input), ...growLegs(input), ...card.steps, ...dropLegs(input)], card.steps, {
      guestFeels: feltOf(card.steps, from, to),
      grows: growthOf(card.steps),
      lacks: lackOf(from, to),
      lacksAfter: lackOf(from, to),
    }),
  };
}

function refusalOf({ from, to, poolCapabilities }: ChangePlanInput): Problem | null {
  if (!from || to.tombstone) return null;
  if (from.volumeId !== to.volumeId)
    return problem('change-refused', `a plan is for one volume, not from ${from.volumeId} to ${to.volumeId}`);
  if (from.export.protocol !== to.export.protocol) {
    return problem(
      'change-refused',
      `volume ${to.volumeId}: its protocol cannot change (${from.export.protocol} on ${from.export.functionId})`,
    );
  }
  for (const { now } of grownLegs(from, to)) {
    const capabilities = poolCapabilities.get(now.poolId) ?? { has: [], lacks: [] };
    const missing = missingOf(['grow-leg'], capabilities, `pool ${now.poolId}`);
    if (missing) return missing;
  }
  return null;
}

function makeLegs({ cardId, from, to }: ChangePlanInput): PlannedPoolStep[] {
  if (to.tombstone) return [];
  return newLegsOf(to, from).flatMap(({ poolId, legId, sizeBytes, epoch, compression }) =>
    plannedPoolSteps(poolId, to.volumeId, [
      { kind: 'create-leg', legId, sizeBytes, ...(compression === undefined ? {} : { compression }) },
      { kind: 'serve-leg', legId, epoch, holderCardId: cardId },
    ]),
  );
}

function growLegs({ from, to }: ChangePlanInput): PlannedPoolStep[] {
  if (!from || to.tombstone) return [];
  return grownLegs(from, to).flatMap(({ was, now }) => {
    const step: PoolStep = {
      kind: 'grow-leg',
      legId: now.legId,
      fromSizeBytes: was.sizeBytes,
      sizeBytes: now.sizeBytes,
    };
    return plannedPoolSteps(now.poolId, to.volumeId, [step]);
  });
}

function dropLegs({ from, to, leaving }: ChangePlanInput): PlannedPoolStep[] {
  return (leaving ?? leavingOf(from, to)).flatMap(({ legs, keyRef }) =>
    legs.flatMap(({ poolId, legId }, index) => {
      const steps = plannedPoolSteps(poolId, to.volumeId, [
        { kind: 'stop-serving-leg', legId },
        { kind: 'delete-leg', legId },
      ]);
      // The key goes when nothing is left that it opens: with the last leg.
      return keyRef !== null && index === legs.length - 1 ? steps.map((step) => withKey(step, keyRef)) : steps;
    }),
  );
}

function leavingOf(from: PlannedVolume | null, to: PlannedVolume): PlannedStack[] {
  if (!from) return [];
  const kept = to.tombstone ? [] : chainOf(to).map(({ stackGeneration }) => stackGeneration);
  return chainOf(from).filter(({ stackGeneration }) => !kept.includes(stackGeneration));
}

function withKey(planned: PlannedPoolStep, keyRef: string): PlannedPoolStep {
  return planned.step.kind === 'delete-leg'
    ? { ...planned, destroys: [...planned.destroys, `key ${keyRef}`] }
    : planned;
}

function newLegsOf(to: PlannedVolume, from: PlannedVolume | null): PlannedLeg[] {
  const known = new Set((from ? chainOf(from) : []).flatMap(({ legs }) => legs.map(({ legId }) => legId)));
  return to.stack.legs.filter(({ legId }) => !known.has(legId));
}

function grownLegs(from: PlannedVolume, to: PlannedVolume): { was: PlannedLeg; now: PlannedLeg }[] {
  return to.stack.legs.flatMap((now) => {
    const was = from.stack.legs.find(({ legId }) => legId === now.legId);
    return was && was.sizeBytes < now.sizeBytes ? [{ was, now }] : [];
  });
}

/** The plan that these steps are; `cardSteps` are those of the card that is bound to it. */
export function planOf(
  steps: readonly PlannedStep[],
  cardSteps: readonly PlannedCardStep[],
  said: Pick<Plan, 'guestFeels' | 'grows' | 'lacks' | 'lacksAfter'>,
): PlanOfSteps {
  const cutOverIndex = steps.findIndex(({ cutOver }) => cutOver);
  return {
    steps: shownSteps(steps),
    digest: digestOf(steps),
    card: acceptedPlanOf(cardSteps),
    cutOverIndex: cutOverIndex === -1 ? null : cutOverIndex,
    secondStageAt: null,
    destroys: destroysOf(steps),
    bytesToCopy: steps.reduce((bytes, { step }) => bytes + (step.kind === 'copy' ? step.bytes : 0), 0),
    expectedSeconds: steps.reduce((ms, { step }) => ms + rowOf(step).expectedMs(), 0) / 1000,
    ...said,
  };
}

/**
 * The plan of one change that is made in two stages, the second from where the first ends. `lacksAfter`: what is absent
 * at the end of both.
 */
export function joinedPlan(first: PlanOfSteps, second: PlanOfSteps, lacksAfter: Plan['lacksAfter']): PlanOfSteps {
  const steps = [...first.steps, ...second.steps];
  const cutOverIndex = steps.findIndex(({ cutOver }) => cutOver);
  return {
    ...first,
    steps,
    digest: digestOf(steps),
    cutOverIndex: cutOverIndex === -1 ? null : cutOverIndex,
    secondStageAt: first.steps.length,
    destroys: destroysOf(steps),
    bytesToCopy: first.bytesToCopy + second.bytesToCopy,
    expectedSeconds: first.expectedSeconds + second.expectedSeconds,
    lacksAfter,
  };
}

function growthOf(steps: readonly PlannedCardStep[]): Plan['grows'] {
  const grow = steps.find(({ step }) => step.kind === 'grow-head')?.step;
  if (grow?.kind !== 'grow-head') return null;
  return grow.endsWindow ? 'window' : 'in-place';
}

/** What the old stack does for the guest's data and the new one does not; of a new volume, what one on no snapshot does. */
export function lackOf(from: PlannedVolume | null, to: PlannedVolume): Plan['lacks'] {
  if (to.tombstone) return [];
  const had = dutiesOf(from ?? { ...to, bases: [] });
  const has = dutiesOf(to);
  return had.filter((duty) => !has.includes(duty));
}

function dutiesOf({ stack: { layers, legs }, bases = [] }: PlannedVolume): Plan['lacks'] {
  const has = (duty: 'encryption' | 'compression') => layers.some(({ kind }) => kind === duty);
  const isCompressed = has('compression') || legs.some(({ compression }) => compression !== undefined);
  return [
    ...(survivesALostLeg(layers) ? (['redundancy'] as const) : []),
    ...(has('encryption') ? (['encryption'] as const) : []),
    ...(isCompressed ? (['compression'] as const) : []),
    // An overlay's tables are in memory until a flush.
    ...(bases.length === 0 ? (['crash-safety'] as const) : []),
  ];
}

export const goesAway = ({ export: { functionId } }: PlannedVolume) => `its device on function ${functionId} goes away`;

const movedText = (from: PlannedVolume, to: PlannedVolume) =>
  `${goesAway(from)}, and appears as a new one on function ${to.export.functionId}, or, where that fails, on ${from.export.functionId} again`;

/** A data plane that lists what an overlay holds takes no notice of writes meanwhile, so none is let through. */
const HELD_TEXT = 'its requests wait while what is written back is listed: some milliseconds as a rule, 3 s at most';

/** A swap is not felt; what is asked for on purpose (another size, other limits, no device) is said. */
function feltOf(steps: readonly PlannedCardStep[], from: PlannedVolume | null, to: PlannedVolume): string | null {
  const kinds = new Set(steps.map(({ step }) => step.kind));
  if (to.tombstone) return kinds.has('unexport-volume') ? goesAway(to) : null;
  const isWrittenBack = steps.some(({ step }) => step.kind === 'copy' && step.commits);
  const felt = [
    ...(from && kinds.has('unexport-volume') ? [movedText(from, to)] : []),
    ...(isWrittenBack ? [HELD_TEXT] : []),
    ...(kinds.has('grow-head') ? ['its device becomes larger'] : []),
    ...(from && !sameLimits(from.qos, to.qos) ? [`its limits become: ${limitsText(to.qos)}`] : []),
  ];
  return felt.length === 0 ? null : felt.join('; ');
}
