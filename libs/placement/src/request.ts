import type { CapabilityName, Labels, PlacementWish, Problem, Protocol } from '@flexbso/contracts';
import type { CardDemand, LegDemand, Rate } from './costs.js';
import type { FleetPool } from './fleet.js';

/** Where legs are wanted. `legCount` and `leg.capacityBytes` come from the stack: headers included. */
export interface LegsRequest {
  readonly legCount: number;
  readonly leg: LegDemand;
  readonly wish: PlacementWish;
  /** What the same change takes of pools beside the new legs, by pool id: a copy reads from where the old ones are. */
  readonly beside?: ReadonlyMap<string, Rate>;
  /** What the volume's own legs take of pools, by pool id: where they are is judged as if they were nowhere yet. */
  readonly standing?: ReadonlyMap<string, LegDemand>;
  /** Pools of bad legs: a new one goes elsewhere. */
  readonly avoidPoolIds?: readonly string[];
  /** What each pool must be able to do besides serving legs. */
  readonly requiredPoolCapabilities: readonly CapabilityName[];
  /** Equal seeds and fleets give equal answers; another seed breaks ties another way. */
  readonly seed: number;
}

export interface PlacementRequest extends LegsRequest {
  readonly protocol: Protocol;
  /** What the card must be able to do for the stack, without how it reaches legs: that is judged pool by pool. */
  readonly requiredCapabilities: readonly CapabilityName[];
  readonly card: CardDemand;
}

export interface PlacedLeg extends LegDemand {
  readonly poolId: string;
}

/** How many candidates a constraint excluded. Each candidate is counted once, at the first constraint that it fails. */
export interface Exclusion {
  readonly subject: 'card' | 'pool';
  readonly constraint: CardConstraint | PoolConstraint;
  readonly excluded: number;
  readonly of: number;
  /** Ids of some of them; at most three, enough to look at. */
  readonly examples: readonly string[];
}

/** In the order in which they are judged. */
export const cardConstraints = [
  'card-left',
  'card-named',
  'host-named',
  'card-state',
  'card-diverged',
  'card-unheard',
  'card-cordoned',
  'card-labels',
  'capability',
  'protocol-function',
  'card-iops',
  'card-bandwidth',
  'card-memory',
  'card-arm',
  'affinity',
  'anti-affinity',
  'no-legs',
] as const;
export type CardConstraint = (typeof cardConstraints)[number];

export const poolConstraints = [
  'pool-named',
  'pool-bad',
  'pool-state',
  'pool-diverged',
  'pool-unheard',
  'pool-cordoned',
  'pool-labels',
  'pool-capability',
  'spread-domain',
  'pool-capacity',
  'pool-iops',
  'pool-bandwidth',
  'reach',
  'leg-count',
] as const;
export type PoolConstraint = (typeof poolConstraints)[number];

export interface NotPlaced {
  readonly ok: false;
  /** `pool-full` when room on pools is what lacks, else `no-placement`. */
  readonly problem: Problem;
  readonly exclusions: readonly Exclusion[];
}
export type Placement =
  | {
      readonly ok: true;
      readonly cardId: string;
      readonly functionId: string;
      readonly card: CardDemand;
      readonly legs: readonly PlacedLeg[];
      readonly score: number;
    }
  | NotPlaced;
/** A card for legs that stay where they are. */
export interface CardRequest extends PlacementRequest {
  /** Where the legs are; each is to be reached. */
  readonly legPoolIds: readonly string[];
  /** Cards that still have, or may have, something of the volume. */
  readonly leftCardIds: readonly string[];
}
export type CardPlacement = { readonly ok: true; readonly cardId: string; readonly functionId: string } | NotPlaced;

export type LegsPlacement =
  | { readonly ok: true; readonly legs: readonly PlacedLeg[]; readonly score: number }
  | NotPlaced;

/** What a pool carries that the request does not give back. */
export function useWithout({ standing }: LegsRequest, { snapshot: { poolId }, use }: FleetPool): LegDemand {
  const own = standing?.get(poolId);
  if (own === undefined) return use;
  return {
    capacityBytes: use.capacityBytes - own.capacityBytes,
    iops: use.iops - own.iops,
    bytesPerSecond: use.bytesPerSecond - own.bytesPerSecond,
  };
}

/** Whether `labels` hold all that `wanted` names. */
export function matchesLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
