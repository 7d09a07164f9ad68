import type { Problem } from '@flexbso/contracts';
import { type Fleet, type FleetCard, freeFunctionOf } from './fleet.js';
import { cardExclusion, reaches } from './filters.js';
import { type ChosenLegs, LegChooser } from './legs.js';
import type {
  CardConstraint,
  CardPlacement,
  CardRequest,
  Exclusion,
  LegsPlacement,
  LegsRequest,
  NotPlaced,
  Placement,
  PlacementRequest,
} from './request.js';
import { cardScore, weights, winsTie } from './score.js';
import { Tally } from './tally.js';

interface Choice {
  readonly card: FleetCard;
  readonly legs: ChosenLegs;
  readonly score: number;
}

/**
 * Where a volume goes: the card, its function and a pool for each leg with the best score, or why nowhere. Holds
 * nothing: the caller gives ids to the legs and calls `fleet.reserve`. One pass over cards and pools, nothing sorted.
 * The legs of a volume are on different pools.
 */
export function place(request: PlacementRequest, fleet: Fleet): Placement {
  const contradiction = contradictionOf(request, fleet);
  if (contradiction) return { ok: false, problem: contradiction, exclusions: [] };
  const tally = new Tally();
  const chooser = new LegChooser(fleet, request, tally);
  const withoutLegs: FleetCard[] = [];
  let best: Choice | null = null;
  for (const card of fleet.cards()) {
    const constraint = cardExclusion(card, request);
    if (constraint) {
      tally.card(constraint, card.snapshot.cardId);
      continue;
    }
    const legs = chooser.choose(card);
    if (!legs) {
      withoutLegs.push(card);
      continue;
    }
    const choice = choiceOf(card, legs, request);
    if (!best || isBetter(choice, best, request.seed)) best = choice;
  }
  const functionId = best && freeFunctionOf(best.card, request.protocol);
  if (best && functionId !== null) {
    return {
      ok: true,
      cardId: best.card.snapshot.cardId,
      functionId,
      card: request.card,
      legs: best.legs.legs,
      score: best.score,
    };
  }
  for (const { snapshot } of withoutLegs) tally.card('no-legs', snapshot.cardId);
  if (withoutLegs.length > 0) chooser.countRest(withoutLegs, tally);
  return notPlaced(fleet, tally, request.legCount, withoutLegs.length > 0);
}

/** Where the legs of a volume go that stays on its card: new legs beside the old. The card's own budgets are not judged here. */
export function placeLegs(request: LegsRequest & { readonly cardId: string }, fleet: Fleet): LegsPlacement {
  const card = fleet.card(request.cardId);
  const contradiction = card ? contradictionOf(request, fleet) : noPlacement(`card ${request.cardId} is not known`);
  if (!card || contradiction)
    return { ok: false, problem: contradiction ?? noPlacement(`card ${request.cardId} is not known`), exclusions: [] };
  const tally = new Tally();
  const chooser = new LegChooser(fleet, request, tally);
  const chosen = chooser.choose(card);
  if (chosen) return { ok: true, ...chosen };
  chooser.countRest([card], tally);
  return notPlaced(fleet, tally, request.legCount, true);
}

/** Which other card takes over a volume whose legs stay where they are, with the best score, or why none. Holds nothing. */
export function placeCard(request: CardRequest, fleet: Fleet): CardPlacement {
  const contradiction = contradictionOf(request, fleet);
  if (contradiction) return { ok: false, problem: contradiction, exclusions: [] };
  const tally = new Tally();
  let best: { readonly card: FleetCard; readonly score: number } | null = null;
  for (const card of fleet.cards()) {
    const constraint = takeoverExclusion(card, request, fleet);
    if (constraint) {
      tally.card(constraint, card.snapshot.cardId);
      continue;
    }
    const score = cardScore(card, request.card, request.wish.policy);
    if (!best || isBetter({ card, score }, best, request.seed)) best = { card, score };
  }
  const functionId = best && freeFunctionOf(best.card, request.protocol);
  if (best && functionId !== null) return { ok: true, cardId: best.card.snapshot.cardId, functionId };
  return notPlaced(fleet, tally, request.legCount, false);
}

function takeoverExclusion(card: FleetCard, request: CardRequest, fleet: Fleet): CardConstraint | null {
  if (request.leftCardIds.includes(card.snapshot.cardId)) return 'card-left';
  const constraint = cardExclusion(card, request);
  if (constraint) return constraint;
  const isReached = request.legPoolIds.every((poolId) => {
    const pool = fleet.pool(poolId);
    return pool !== undefined && reaches(card, pool);
  });
  return isReached ? null : 'no-legs';
}

function choiceOf(card: FleetCard, legs: ChosenLegs, request: PlacementRequest): Choice {
  const score = weights.card * cardScore(card, request.card, request.wish.policy) + legs.score;
  return { card, legs, score };
}

type Scored = Pick<Choice, 'card' | 'score'>;

function isBetter(left: Scored, right: Scored, seed: number): boolean {
  if (left.score !== right.score) return left.score > right.score;
  return winsTie(left.card.snapshot.cardId, right.card.snapshot.cardId, seed);
}

/** What no fleet could satisfy, said before anybody is counted out. */
function contradictionOf({ wish, legCount }: LegsRequest, fleet: Fleet): Problem | null {
  const named = wish.poolIds ?? [];
  if (new Set(named).size < named.length)
    return noPlacement('placement.poolIds names a pool twice; the legs of a volume are on different pools');
  if (named.length > legCount)
    return noPlacement(
      `placement.poolIds names ${named.length} pools, and the stack has ${legCount} legs; name one pool a leg or fewer`,
    );
  const unknownPool = named.find((poolId) => !fleet.pool(poolId));
  if (unknownPool !== undefined) return noPlacement(`placement.poolIds names pool ${unknownPool}, which is not known`);
  if (wish.cardId !== undefined && !fleet.card(wish.cardId))
    return noPlacement(`placement.cardId names card ${wish.cardId}, which is not known`);
  return null;
}

function noPlacement(detail: string): Problem {
  return { code: 'no-placement', detail };
}

/** When there would be pools enough but for room, the code says so; pools are counted to the end only if a card was found. */
function notPlaced(fleet: Fleet, tally: Tally, legCount: number, isCardFound: boolean): NotPlaced {
  const exclusions = tally.exclusions(fleet.cardCount, fleet.poolCount);
  const full = tally.excludedBy('pool-capacity');
  const isFull = full > 0 && isCardFound && full + tally.excludedBy('leg-count') >= legCount;
  const of = `${fleet.cardCount} cards and ${fleet.poolCount} pools`;
  const reasons = exclusions.map(reasonOf).join('; ');
  const detail = `${isFull ? 'no pool has room' : 'no card and pools satisfy every constraint'} (of ${of}): ${reasons || 'there is none'}`;
  return {
    ok: false,
    problem: {
      code: isFull ? 'pool-full' : 'no-placement',
      detail,
      facts: { exclusions: exclusions.map((exclusion) => ({ ...exclusion, examples: [...exclusion.examples] })) },
    },
    exclusions,
  };
}

function reasonOf({ subject, constraint, excluded, of, examples }: Exclusion): string {
  const more = excluded > examples.length ? ', …' : '';
  const isNew = constraint === 'card-unheard' || constraint === 'pool-unheard';
  const advice = isNew ? ', which the scheduler has not heard yet: try again in some seconds' : '';
  return `${constraint} excludes ${excluded} of ${of} ${subject}s (${examples.join(', ')}${more})${advice}`;
}
