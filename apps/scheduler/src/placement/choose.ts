import {
  type CapabilityName,
  type Capabilities,
  type CardSnapshot,
  ProblemError,
  type VolumeSpec,
} from '@flexbso/contracts';
import { cardDemandOf, type Fleet, type LegDemand, legDemandOf, place, placeCard, placeLegs } from '@flexbso/placement';
import {
  addressKindOfPool,
  type CopyRate,
  hasCapability,
  legCountOf,
  legSizeBytes,
  missingCapabilities,
  requiredCapabilities,
  requiredPoolCapabilities,
} from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import { lackOfPools } from './compressor.js';
import { type CopyDemand, layerKindsOf } from './volume-reservations.js';

/** A pool for a leg, with what a plan needs to know of it. */
export interface ChosenPool {
  readonly poolId: string;
  readonly addressKind: LegRecord['addressKind'];
}

/** Where a new volume goes. @throws ProblemError `no-placement`, `pool-full` or `missing-capability`. */
export function chooseForVolume(
  fleet: Fleet,
  spec: VolumeSpec,
  seed: number,
): { card: CardSnapshot; functionId: string; pools: ChosenPool[] } {
  const { layers } = spec.stack;
  const needed = neededOf(spec);
  const placed = place(
    {
      ...legsRequest(spec, largestLegBytes(fleet, spec), seed),
      protocol: spec.protocol,
      requiredCapabilities: needed,
      card: cardDemandOf(layerKindsOf(spec), spec.qos),
    },
    fleet,
  );
  if (!placed.ok) {
    const lack = lackOfAll(fleet, spec, needed) ?? lackOfPoolsFor(fleet, spec);
    throw new ProblemError(lack ?? placed.problem);
  }
  const card = fleet.card(placed.cardId)?.snapshot;
  if (!card)
    throw new Error(`placement chose card ${placed.cardId}, which the fleet does not have (${layers.length} layers)`);
  return { card, functionId: placed.functionId, pools: placed.legs.map(({ poolId }) => chosenPool(fleet, poolId)) };
}

/**
 * Where the legs of a new stack of a volume on its card go. Unless pools are named they stay where the old ones are,
 * if there is room for the copy beside them (null: none is made): a change of layers is not a wish to move. Pools to avoid
 * are taken when there are no others.
 */
export function chooseForLegs(
  fleet: Fleet,
  want: VolumeWant,
  card: CardSnapshot,
  presentPoolIds: readonly string[],
  seed: number,
  copy: CopyDemand | null,
  avoidPoolIds: readonly string[] = [],
): ChosenPool[] {
  const legCount = legCountOf(want.stack.layers);
  const sizeBytes = legSizeBytes(want.stack.layers, want.sizeBytes, card.capabilities);
  const beside = copy === null ? {} : { beside: copy.beside };
  const request = {
    ...legsRequest(want, sizeBytes, seed, copy?.rate),
    ...beside,
    cardId: card.cardId,
    avoidPoolIds,
  };
  const named = want.placement.poolIds ?? [];
  const staying = named.length > 0 ? named : [...new Set(presentPoolIds)];
  const stay = placeLegs({ ...request, wish: { ...want.placement, poolIds: staying.slice(0, legCount) } }, fleet);
  const placed = stay.ok || named.length > 0 ? stay : placeLegs(request, fleet);
  if (!placed.ok && avoidPoolIds.length > 0) return chooseForLegs(fleet, want, card, presentPoolIds, seed, copy);
  if (!placed.ok) throw new ProblemError(lackOfPoolsFor(fleet, want) ?? placed.problem);
  return placed.legs.map(({ poolId }) => chosenPool(fleet, poolId));
}

/**
 * Where placement would have the legs of a volume on its card if they were nowhere yet, as far as new ones can be made
 * there beside those that it has. `standing`: what these take of their pools.
 * @throws ProblemError `no-placement` or `pool-full`
 */
export function preferredPoolIds(
  fleet: Fleet,
  want: VolumeWant,
  card: CardSnapshot,
  standing: ReadonlyMap<string, LegDemand>,
  seed: number,
  copy: CopyDemand,
): string[] {
  const { poolIds: _, ...wish } = want.placement;
  const free = { ...want, placement: wish };
  const sizeBytes = legSizeBytes(want.stack.layers, want.sizeBytes, card.capabilities);
  const request = { ...legsRequest(free, sizeBytes, seed, copy.rate), beside: copy.beside, cardId: card.cardId };
  const placed = placeLegs({ ...request, standing }, fleet);
  if (!placed.ok) throw new ProblemError(lackOfPoolsFor(fleet, free) ?? placed.problem);
  return placed.legs.map(({ poolId }) => poolId);
}

/**
 * Which card takes a volume over whose legs stay where they are.
 * @throws ProblemError `no-placement` saying which constraint excluded how many cards
 */
export function chooseCard(
  fleet: Fleet,
  { want, protocol }: VolumeRecord,
  where: {
    readonly wishedCardId: string | undefined;
    /** Cards that have, or may still have, something of it. */
    readonly leftCardIds: readonly string[];
    readonly legPoolIds: readonly string[];
    readonly addressKinds: readonly LegRecord['addressKind'][];
    readonly seed: number;
  },
): { card: CardSnapshot; functionId: string } {
  const { poolIds: _p, cardId: _c, hostId: _h, ...wish } = want.placement;
  const placed = placeCard(
    {
      ...legsRequest(want, 0, where.seed),
      wish: where.wishedCardId === undefined ? wish : { ...wish, cardId: where.wishedCardId },
      protocol,
      requiredCapabilities: [
        ...requiredCapabilities(want.stack.layers, protocol, where.addressKinds),
        ...(want.qos === null ? [] : (['qos'] as const)),
      ],
      card: cardDemandOf(layerKindsOf(want), want.qos),
      legPoolIds: where.legPoolIds,
      leftCardIds: where.leftCardIds,
    },
    fleet,
  );
  if (!placed.ok) throw new ProblemError(placed.problem);
  const card = fleet.card(placed.cardId)?.snapshot;
  if (!card) throw new Error(`placement chose card ${placed.cardId}, which the fleet does not have`);
  return { card, functionId: placed.functionId };
}

function legsRequest(
  { stack, qos, placement }: Pick<VolumeSpec, 'stack' | 'qos' | 'placement'>,
  legBytes: number,
  seed: number,
  copy?: CopyRate,
) {
  const legCount = legCountOf(stack.layers);
  const leg = legDemandOf(layerKindsOf({ stack }), qos, legCount, legBytes, copy);
  const poolNeeds = requiredPoolCapabilities(stack.layers);
  return { legCount, leg, wish: placement, requiredPoolCapabilities: poolNeeds, seed };
}

function lackOfPoolsFor(fleet: Fleet, { stack, placement }: Pick<VolumeSpec, 'stack' | 'placement'>) {
  return lackOfPools(fleet, placement.poolIds ?? [], requiredPoolCapabilities(stack.layers));
}

/** How legs are reached is judged pool by pool, so no address kind is given here. */
function neededOf({ stack, protocol, qos }: VolumeSpec): CapabilityName[] {
  return [...requiredCapabilities(stack.layers, protocol, []), ...(qos === null ? [] : (['qos'] as const))];
}

/** The header's size is the card's, and no card is chosen yet: room for the largest is room for each. */
function largestLegBytes(fleet: Fleet, { stack, sizeBytes }: VolumeSpec): number {
  const none: Capabilities = { has: [], lacks: [] };
  let largest = legSizeBytes(stack.layers, sizeBytes, none);
  for (const { snapshot } of fleet.cards())
    largest = Math.max(largest, legSizeBytes(stack.layers, sizeBytes, snapshot.capabilities));
  return largest;
}

/** When no card that may be chosen can do what the stack needs, its own reason helps more than a count. */
function lackOfAll(fleet: Fleet, spec: VolumeSpec, needed: readonly CapabilityName[]) {
  const { cardId } = spec.placement;
  const candidates = [...fleet.cards()].filter(({ snapshot }) => cardId === undefined || snapshot.cardId === cardId);
  const [first] = candidates;
  const isAble = (capabilities: Capabilities) => needed.every((name) => hasCapability(capabilities, name));
  if (!first || candidates.some(({ snapshot }) => isAble(snapshot.capabilities))) return null;
  const { capabilities, cardId: firstId } = first.snapshot;
  const lack = missingCapabilities(spec.stack.layers, spec.protocol, [], capabilities, firstId);
  if (lack) return lack;
  const reason =
    capabilities.lacks.find(({ name }) => name === 'qos')?.reason ?? 'it was not found when its data plane was probed';
  return { code: 'missing-capability' as const, detail: `card ${firstId} lacks qos (${reason})` };
}

function chosenPool(fleet: Fleet, poolId: string): ChosenPool {
  const pool = fleet.pool(poolId);
  if (!pool) throw new Error(`placement chose pool ${poolId}, which the fleet does not have`);
  return { poolId, addressKind: addressKindOfPool(pool.snapshot.capabilities) };
}
