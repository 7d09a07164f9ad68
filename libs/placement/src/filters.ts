import type { FailureDomain, Labels } from '@flexbso/contracts';
import { type FleetCard, type FleetPool, fits, freeFunctionOf } from './fleet.js';
import {
  type CardConstraint,
  type LegsRequest,
  type PlacementRequest,
  type PoolConstraint,
  matchesLabels,
  useWithout,
} from './request.js';

/** The first constraint that a card fails, or null; in the order of `cardConstraints`. */
export function cardExclusion(card: FleetCard, request: PlacementRequest): CardConstraint | null {
  return standing(card, request) ?? ability(card, request) ?? cardBudget(card, request) ?? company(card, request);
}

function standing({ snapshot, follows }: FleetCard, { wish }: PlacementRequest): CardConstraint | null {
  if (wish.cardId !== undefined && snapshot.cardId !== wish.cardId) return 'card-named';
  if (wish.hostId !== undefined && snapshot.hostId !== wish.hostId) return 'host-named';
  if (snapshot.state !== 'ready') return 'card-state';
  if (follows !== 'this') return follows === 'another' ? 'card-diverged' : 'card-unheard';
  if (snapshot.cordoned) return 'card-cordoned';
  return wish.cardLabels && !matchesLabels(snapshot.labels, wish.cardLabels) ? 'card-labels' : null;
}

function ability(card: FleetCard, request: PlacementRequest): CardConstraint | null {
  if (!request.requiredCapabilities.every((name) => card.capabilities.has(name))) return 'capability';
  return freeFunctionOf(card, request.protocol) === null ? 'protocol-function' : null;
}

function cardBudget(
  { snapshot: { budget }, use }: FleetCard,
  { card: demand }: PlacementRequest,
): CardConstraint | null {
  if (!fits(use.iops, demand.iops, budget.iops)) return 'card-iops';
  if (!fits(use.bytesPerSecond, demand.bytesPerSecond, budget.bytesPerSecond)) return 'card-bandwidth';
  if (!fits(use.memoryBytes, demand.memoryBytes, budget.memoryBytes)) return 'card-memory';
  return fits(use.armCentiCores, demand.armCentiCores, budget.armCentiCores) ? null : 'card-arm';
}

function company(card: FleetCard, { wish }: PlacementRequest): CardConstraint | null {
  const carries = (wanted: Labels) => [...card.use.volumes.values()].some((labels) => matchesLabels(labels, wanted));
  if (wish.affinity && !carries(wish.affinity)) return 'affinity';
  return wish.antiAffinity && carries(wish.antiAffinity) ? 'anti-affinity' : null;
}

/** The first constraint that a pool fails whatever the card, or null; in the order of `poolConstraints`. */
export function poolExclusion(pool: FleetPool, request: LegsRequest): PoolConstraint | null {
  const { snapshot } = pool;
  const { wish } = request;
  const named = wish.poolIds ?? [];
  if (named.length >= request.legCount && !named.includes(snapshot.poolId)) return 'pool-named';
  if (request.avoidPoolIds?.includes(snapshot.poolId)) return 'pool-bad';
  if (snapshot.state !== 'ready') return 'pool-state';
  if (pool.follows !== 'this') return pool.follows === 'another' ? 'pool-diverged' : 'pool-unheard';
  if (snapshot.cordoned) return 'pool-cordoned';
  if (wish.poolLabels && !matchesLabels(snapshot.labels, wish.poolLabels)) return 'pool-labels';
  if (!request.requiredPoolCapabilities.every((name) => pool.capabilities.has(name))) return 'pool-capability';
  if (wish.spreadRequired && domainOf(pool, wish.spreadLegsOver) === null) return 'spread-domain';
  return poolBudget(pool, request);
}

function poolBudget(pool: FleetPool, request: LegsRequest): PoolConstraint | null {
  const { budget, poolId } = pool.snapshot;
  const { leg, beside } = request;
  const use = useWithout(request, pool);
  const { iops = 0, bytesPerSecond = 0 } = beside?.get(poolId) ?? {};
  if (!fits(use.capacityBytes, leg.capacityBytes, budget.capacityBytes)) return 'pool-capacity';
  if (!fits(use.iops, leg.iops + iops, budget.iops)) return 'pool-iops';
  return fits(use.bytesPerSecond, leg.bytesPerSecond + bytesPerSecond, budget.bytesPerSecond) ? null : 'pool-bandwidth';
}

/** Whether the card can use legs of the pool: same host or over the network, in a way that it can open. */
export function reaches(card: FleetCard, pool: FleetPool): boolean {
  if (pool.snapshot.reach === 'host' && pool.snapshot.hostId !== card.snapshot.hostId) return false;
  return pool.legCapabilities.length === 0 || pool.legCapabilities.some((name) => card.capabilities.has(name));
}

/** The value that a pool has for a failure domain: host, rack, row, or a label's key. Null: none. */
export function domainOf({ snapshot }: FleetPool, domain: string): string | null {
  return builtInDomain(snapshot.failureDomain, domain) ?? snapshot.labels[domain] ?? null;
}

function builtInDomain(place: FailureDomain, domain: string): string | null {
  if (domain === 'host') return place.host;
  if (domain === 'rack') return place.rack;
  return domain === 'row' ? (place.row ?? null) : null;
}
