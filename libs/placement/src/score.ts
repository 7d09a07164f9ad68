import type { PlacementWish } from '@flexbso/contracts';
import type { CardDemand, LegDemand } from './costs.js';
import type { FleetCard, FleetPool } from './fleet.js';

export type Policy = PlacementWish['policy'];

/** Named weights of the parts of a score; each part and the sum are from 0 to 1, more is better. */
export const weights = {
  /** How well the card suits the policy. */
  card: 0.4,
  /** How well the pools suit the policy, their mean. */
  pools: 0.35,
  /** Over how many failure domains the legs are spread, of how many they could be. */
  domains: 0.2,
  /** Share of the legs in the card's own host: no network between. Little: it is a taste, not a need. */
  near: 0.05,
} as const;

/** How well a card suits the policy with the demand on it. Its function slots count as a resource like the others. */
export function cardScore(
  { snapshot: { budget, functions }, use }: FleetCard,
  demand: CardDemand,
  policy: Policy,
): number {
  return suit(policy, [
    share(use.iops + demand.iops, budget.iops),
    share(use.bytesPerSecond + demand.bytesPerSecond, budget.bytesPerSecond),
    share(use.memoryBytes + demand.memoryBytes, budget.memoryBytes),
    share(use.armCentiCores + demand.armCentiCores, budget.armCentiCores),
    share(use.functionIds.size + 1, functions.length),
  ]);
}

export function poolScore(
  budget: FleetPool['snapshot']['budget'],
  use: LegDemand,
  demand: LegDemand,
  policy: Policy,
): number {
  return suit(policy, [
    share(use.capacityBytes + demand.capacityBytes, budget.capacityBytes),
    share(use.iops + demand.iops, budget.iops),
    share(use.bytesPerSecond + demand.bytesPerSecond, budget.bytesPerSecond),
  ]);
}

/** Spread: most left of the scarcest resource. Pack: least left of it. Balance: all resources used alike, none left over unusable. */
function suit(policy: Policy, shares: readonly number[]): number {
  const dominant = Math.max(...shares);
  if (policy === 'pack') return dominant;
  return policy === 'spread' ? 1 - dominant : 1 - (dominant - Math.min(...shares));
}

function share(used: number, budget: number): number {
  return budget <= 0 ? Number(used > 0) : Math.min(1, used / budget);
}

/** Which of two equally good ids comes first. Equal seeds give equal orders, other seeds other ones. */
export function winsTie(id: string, other: string, seed: number): boolean {
  const rank = seededHash(id, seed);
  const otherRank = seededHash(other, seed);
  return rank === otherRank ? id < other : rank < otherRank;
}

/** FNV-1a of the id with the seed, 32 bits. */
function seededHash(id: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}
