/** Pure: what a stack may be, what building, changing and removing it takes, and what each step does. */
export {
  addressKindOfPool,
  growsInPlace,
  hasCapability,
  missingCapabilities,
  requiredCapabilities,
  requiredPoolCapabilities,
} from './capabilities.js';
export { canonicalDigest, canonicalJson, copyOf, isSame } from './canonical.js';
export {
  cardLayersOf,
  compressionOf,
  isRigid,
  legCompressionOf,
  legCountOf,
  legSizeBytes,
  survivesALostLeg,
  validateStack,
} from './layers.js';
export { type CopyRate, copyRateOf, widenedLimits } from './limits.js';
export { applyCardStep, undoCardStep } from './model.js';
export {
  expectedObservation,
  isApplied,
  isChainComplete,
  isSettled,
  isWantedExport,
  nothingObserved,
  sameLimits,
} from './observation.js';
export { type AttachPlanInput, localLegProblem, planAttach, planDetach } from './plan-attach.js';
export { type CardPlan, type CardPlanInput, planCard } from './plan-card.js';
export {
  type ChangePlan,
  type ChangePlanInput,
  joinedPlan,
  lackOf,
  type PlanOfSteps,
  planChange,
} from './plan-change.js';
export { type FailoverPlanInput, fenceProblem, planFailover } from './plan-failover.js';
export { type PlannedPoolLeg, type PoolLegPlan, type PoolLegPlanInput, planPoolLeg } from './plan-pool-leg.js';
export { acceptedPlanOf, destroysOf, digestOf } from './plan-steps.js';
export { chainOf, desiredStacks, overlayBytes } from './overlay.js';
export {
  type AddressKind,
  type PlannedLeg,
  type PlannedStack,
  type PlannedVolume,
  plannedVolumeOf,
} from './planned-volume.js';
export { type Refused } from './problems.js';
export { type StepRow, cardStepTable, describe, overdueAfterMs, poolStepTable } from './step-table.js';
export {
  type CardStepHandlers,
  type CardStepOf,
  type PoolStepHandlers,
  type PoolStepOf,
  handleCardStep,
  handlePoolStep,
} from './steps.js';
