import type { Fleet, FleetCard, FleetPool } from './fleet.js';
import { domainOf, poolExclusion, reaches } from './filters.js';
import { type LegsRequest, type PlacedLeg, useWithout } from './request.js';
import { poolScore, weights, winsTie } from './score.js';
import type { Tally } from './tally.js';

interface Candidate {
  readonly pool: FleetPool;
  readonly poolId: string;
  /** Null: it has none, and counts as standing with all others that have none. */
  readonly domain: string | null;
  readonly value: number;
}

export interface ChosenLegs {
  readonly legs: readonly PlacedLeg[];
  /** Their part of the placement's score. */
  readonly score: number;
}

/**
 * Chooses pools for the legs of one request, card by card. Pools are judged once; those that every card reaches are
 * cut down to the few that can be chosen at all, so that a card costs a handful of comparisons, not the fleet.
 */
export class LegChooser {
  readonly #request: LegsRequest;
  readonly #named: ReadonlySet<string>;
  readonly #network: Candidate[] = [];
  readonly #byHost = new Map<string, Candidate[]>();
  readonly #shortLists = new Map<string, readonly Candidate[]>();
  readonly #chosenFromNetwork = new Map<string, ChosenLegs | null>();

  constructor(fleet: Fleet, request: LegsRequest, tally: Tally) {
    this.#request = request;
    this.#named = new Set(request.wish.poolIds ?? []);
    for (const pool of fleet.pools()) {
      const constraint = poolExclusion(pool, request);
      if (constraint) tally.pool(constraint, pool.snapshot.poolId);
      else this.#add(this.#candidateOf(pool));
    }
  }

  /** The best legs for a card, or null when the pools that it reaches do not suffice. */
  choose(card: FleetCard): ChosenLegs | null {
    const signature = card.legSignature;
    const own = this.#byHost.get(card.snapshot.hostId);
    if (own) return this.#best([...this.#shortList(card), ...own.filter(({ pool }) => reaches(card, pool))]);
    const known = this.#chosenFromNetwork.get(signature);
    if (known !== undefined) return known;
    const chosen = this.#best(this.#shortList(card));
    this.#chosenFromNetwork.set(signature, chosen);
    return chosen;
  }

  /** After nothing was placed: counts each pool that was left, as out of reach of all `cards` or as not enough. */
  countRest(cards: readonly FleetCard[], tally: Tally): void {
    const oneOfSignature = new Map(cards.map((card) => [card.legSignature, card]));
    const ofHost = Map.groupBy(cards, ({ snapshot }) => snapshot.hostId);
    for (const candidate of this.#network)
      tally.pool(isReached(candidate, [...oneOfSignature.values()]) ? 'leg-count' : 'reach', candidate.poolId);
    for (const [hostId, candidates] of this.#byHost) {
      for (const candidate of candidates)
        tally.pool(isReached(candidate, ofHost.get(hostId) ?? []) ? 'leg-count' : 'reach', candidate.poolId);
    }
  }

  #add(candidate: Candidate): void {
    const { reach, hostId } = candidate.pool.snapshot;
    const siblings = reach === 'network' ? this.#network : this.#ofHost(hostId);
    siblings.push(candidate);
  }

  #ofHost(hostId: string): Candidate[] {
    const candidates = this.#byHost.get(hostId) ?? [];
    this.#byHost.set(hostId, candidates);
    return candidates;
  }

  #candidateOf(pool: FleetPool): Candidate {
    const { leg, wish } = this.#request;
    const { poolId, reach } = pool.snapshot;
    const near = reach === 'host' ? weights.near : 0;
    return {
      pool,
      poolId,
      domain: domainOf(pool, wish.spreadLegsOver),
      value: weights.pools * poolScore(pool.snapshot.budget, useWithout(this.#request, pool), leg, wish.policy) + near,
    };
  }

  /**
   * Of the pools that every card with this signature reaches: the named ones, the best of the best domains, and the
   * best of all. Twice as many as there are legs are enough, since the legs beside them take at most as many domains.
   */
  #shortList(card: FleetCard): readonly Candidate[] {
    const known = this.#shortLists.get(card.legSignature);
    if (known) return known;
    const reached = this.#network.filter(({ pool }) => reaches(card, pool));
    const { legCount, seed } = this.#request;
    const count = 2 * legCount;
    const bestOfDomain = new Map<string | null, Candidate>();
    for (const candidate of reached) {
      const best = bestOfDomain.get(candidate.domain);
      if (!this.#named.has(candidate.poolId) && (!best || isBetter(candidate, best, seed)))
        bestOfDomain.set(candidate.domain, candidate);
    }
    const named = reached.filter(({ poolId }) => this.#named.has(poolId));
    const list = [
      ...new Set([...named, ...bestOf(bestOfDomain.values(), count, seed), ...bestOf(reached, count, seed)]),
    ];
    this.#shortLists.set(card.legSignature, list);
    return list;
  }

  #best(candidates: readonly Candidate[]): ChosenLegs | null {
    const { legCount, wish, leg, seed } = this.#request;
    const chosen = candidates.filter(({ poolId }) => this.#named.has(poolId));
    if (chosen.length < this.#named.size) return null;
    const domains = new Set(chosen.map(({ domain }) => domain));
    if (wish.spreadRequired && domains.size < chosen.length) return null;
    while (chosen.length < legCount) {
      const next = nextOf(candidates, chosen, domains, seed);
      if (!next || (wish.spreadRequired && domains.has(next.domain))) return null;
      chosen.push(next);
      domains.add(next.domain);
    }
    const value = chosen.reduce((sum, candidate) => sum + candidate.value, 0) / legCount;
    return {
      legs: inNamedOrder(chosen, wish.poolIds ?? []).map(({ poolId }) => ({ poolId, ...leg })),
      score: value + (weights.domains * domains.size) / legCount,
    };
  }
}

/** The best of those not chosen yet, one of a domain without a leg before all others. */
function nextOf(
  candidates: readonly Candidate[],
  chosen: readonly Candidate[],
  domains: ReadonlySet<string | null>,
  seed: number,
): Candidate | null {
  let next: Candidate | null = null;
  for (const candidate of candidates) {
    if (chosen.includes(candidate)) continue;
    const isFresh = !domains.has(candidate.domain);
    const isNextFresh = next !== null && !domains.has(next.domain);
    if (!next || (isFresh !== isNextFresh ? isFresh : isBetter(candidate, next, seed))) next = candidate;
  }
  return next;
}

/** Whether any of the cards can use the pool. */
function isReached({ pool }: Candidate, cards: readonly FleetCard[]): boolean {
  return cards.some((card) => reaches(card, pool));
}

/** The best few, without sorting all. */
function bestOf(candidates: Iterable<Candidate>, count: number, seed: number): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of candidates) {
    const last = kept.at(-1);
    if (kept.length === count && last && !isBetter(candidate, last, seed)) continue;
    const index = kept.findIndex((other) => isBetter(candidate, other, seed));
    kept.splice(index === -1 ? kept.length : index, 0, candidate);
    if (kept.length > count) kept.pop();
  }
  return kept;
}

function isBetter(left: Candidate, right: Candidate, seed: number): boolean {
  return left.value === right.value ? winsTie(left.poolId, right.poolId, seed) : left.value > right.value;
}

/** A client that names pools names them leg by leg. */
function inNamedOrder(chosen: readonly Candidate[], poolIds: readonly string[]): Candidate[] {
  const rank = ({ poolId }: Candidate) => (poolIds.includes(poolId) ? poolIds.indexOf(poolId) : poolIds.length);
  return chosen.toSorted((left, right) => rank(left) - rank(right));
}
