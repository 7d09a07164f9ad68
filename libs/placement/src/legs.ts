import type { Fleet, FleetCard, FleetPool } from './fleet.js';
import { domainOf, poolExclusion, reaches } from './filters.js';
import type { LegsRequest, PlacedLeg } from './request.js';
import { poolScore, tieBreak, weights } from './score.js';
import type { Tally } from './tally.js';

interface Candidate {
  readonly pool: FleetPool;
  readonly poolId: string;
  /** Null: it has none, and counts as standing with all others that have none. */
  readonly domain: string | null;
  readonly value: number;
  readonly tie: number;
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
    const signature = legSignature(card);
    const own = this.#byHost.get(card.snapshot.hostId);
    if (own) return this.#best([...this.#shortList(card, signature), ...own.filter(({ pool }) => reaches(card, pool))]);
    const known = this.#chosenFromNetwork.get(signature);
    if (known !== undefined) return known;
    const chosen = this.#best(this.#shortList(card, signature));
    this.#chosenFromNetwork.set(signature, chosen);
    return chosen;
  }

  /** After nothing was placed: counts each pool that was left, as out of reach of all `cards` or as not enough. */
  countRest(cards: readonly FleetCard[], tally: Tally): void {
    const oneOfSignature = new Map(cards.map((card) => [legSignature(card), card]));
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
    const { leg, wish, seed } = this.#request;
    const { poolId, reach } = pool.snapshot;
    const near = reach === 'host' ? weights.near : 0;
    return {
      pool,
      poolId,
      domain: domainOf(pool, wish.spreadLegsOver),
      value: weights.pools * poolScore(pool, leg, wish.policy) + near,
      tie: tieBreak(poolId, seed),
    };
  }

  /**
   * Of the pools that every card with this signature reaches: the named ones, the best of the best domains, and the
   * best of all. Twice as many as there are legs are enough, since the legs beside them take at most as many domains.
   */
  #shortList(card: FleetCard, signature: string): readonly Candidate[] {
    const known = this.#shortLists.get(signature);
    if (known) return known;
    const reached = this.#network.filter(({ pool }) => reaches(card, pool));
    const count = 2 * this.#request.legCount;
    const bestOfDomain = new Map<string | null, Candidate>();
    for (const candidate of reached) {
      const best = bestOfDomain.get(candidate.domain);
      if (!this.#named.has(candidate.poolId) && (!best || isBetter(candidate, best)))
        bestOfDomain.set(candidate.domain, candidate);
    }
    const named = reached.filter(({ poolId }) => this.#named.has(poolId));
    const list = [...new Set([...named, ...bestOf(bestOfDomain.values(), count), ...bestOf(reached, count)])];
    this.#shortLists.set(signature, list);
    return list;
  }

  #best(candidates: readonly Candidate[]): ChosenLegs | null {
    const { legCount, wish, leg } = this.#request;
    const chosen = candidates.filter(({ poolId }) => this.#named.has(poolId));
    if (chosen.length < this.#named.size) return null;
    const domains = new Set(chosen.map(({ domain }) => domain));
    if (wish.spreadRequired && domains.size < chosen.length) return null;
    while (chosen.length < legCount) {
      const next = nextOf(candidates, chosen, domains);
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
): Candidate | null {
  let next: Candidate | null = null;
  for (const candidate of candidates) {
    if (chosen.includes(candidate)) continue;
    const isFresh = !domains.has(candidate.domain);
    const isNextFresh = next !== null && !domains.has(next.domain);
    if (!next || (isFresh !== isNextFresh ? isFresh : isBetter(candidate, next))) next = candidate;
  }
  return next;
}

/** Whether any of the cards can use the pool. */
function isReached({ pool }: Candidate, cards: readonly FleetCard[]): boolean {
  return cards.some((card) => reaches(card, pool));
}

/** The best few, without sorting all. */
function bestOf(candidates: Iterable<Candidate>, count: number): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of candidates) {
    const last = kept.at(-1);
    if (kept.length === count && last && !isBetter(candidate, last)) continue;
    const index = kept.findIndex((other) => isBetter(candidate, other));
    kept.splice(index === -1 ? kept.length : index, 0, candidate);
    if (kept.length > count) kept.pop();
  }
  return kept;
}

function isBetter(left: Candidate, right: Candidate): boolean {
  if (left.value !== right.value) return left.value > right.value;
  return left.tie === right.tie ? left.poolId < right.poolId : left.tie < right.tie;
}

/** A client that names pools names them leg by leg. */
function inNamedOrder(chosen: readonly Candidate[], poolIds: readonly string[]): Candidate[] {
  const rank = ({ poolId }: Candidate) => (poolIds.includes(poolId) ? poolIds.indexOf(poolId) : poolIds.length);
  return chosen.toSorted((left, right) => rank(left) - rank(right));
}

/** Cards that open legs in the same ways reach the same network pools. */
function legSignature(card: FleetCard): string {
  return [...card.capabilities]
    .filter((name) => name.startsWith('leg.'))
    .toSorted()
    .join(' ');
}
