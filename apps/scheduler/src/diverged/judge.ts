import type { DesiredCardLeg, DesiredVolume, ObservedVolume } from '@flexbso/contracts';
import { desiredStacks, isSettled, plannedVolumeOf } from '@flexbso/stack';
import type { RecordedVolume } from '../check/compare.js';
import type { BaseStack } from '../snapshots/snapshot-record.js';
import { type DifferingVolume, isLeaving } from './differences.js';
import { baseGiven, type Found, type FoundLeg, foundSnapshots, type Scene } from './found-snapshots.js';
import { withoutCard } from './judge-detached.js';
import { type Reader, readersOf } from './readers.js';
import type { VolumeWant } from '../volumes/volume-record.js';
import type { CardPart, LegPart, Reality } from './reality.js';

/** A leg that its pool was given, and has. */
export interface HeldLeg {
  readonly poolId: string;
  readonly given: NonNullable<LegPart['given']>;
}

/** What a card has of a volume that another card took over. */
export interface FencedPart {
  readonly cardId: string;
  readonly given: DesiredVolume;
}

/**
 * How a difference can be settled.
 * - take-over: the volume runs at rest, card and pools agree; `leftovers` are legs that carry nothing.
 * - keep-detached: no card has it, and the pools keep the whole of its recorded stack: it was detached since.
 * - keep-lost: as `end`, and it has snapshots that are whole, or that clones read from: what nobody can put together any
 *   more is kept beside them, until it is rolled back to one of them or deleted.
 * - end: no card has it, and pools keep legs that carried it and that the books do not know so: only ever ended by name.
 *   Nor has one that its pools have shut out, and that is told to let go of it with what is kept or ended.
 * - let-go: nothing of it is left but what carries nothing.
 * - refused: `why` says what disagrees, or what is to be waited for.
 */
export type Verdict =
  | {
      readonly kind: 'take-over';
      readonly cardId: string;
      readonly given: DesiredVolume;
      readonly observed: ObservedVolume;
      /** Of the stack that carries the guest, and of those beneath it. */
      readonly legs: readonly {
        readonly onCard: DesiredCardLeg;
        readonly onPool: HeldLeg;
        readonly stackGeneration: number;
        readonly position: number;
      }[];
      /** The stacks beneath, the nearest first; a clone's with whose they are. */
      readonly bases: readonly BaseStack[];
      readonly found: Found;
      /** Legs of snapshots that the card does not stand on. */
      readonly frozen: readonly FoundLeg[];
      /** Clones that read from its snapshots. */
      readonly readers: readonly Reader[];
      readonly leftovers: readonly HeldLeg[];
      /** Cards that still have it, and that its pools have shut out since. */
      readonly fenced: readonly FencedPart[];
    }
  | {
      readonly kind: 'keep-detached';
      /** What is kept: as it is recorded, or what the change that is under way there would go back to. */
      readonly want: VolumeWant;
      readonly isAsWanted: boolean;
      /** Of its stack, of those beneath it, and of the snapshots that are recorded. */
      readonly legs: readonly HeldLeg[];
      /** All snapshots; its legs are of what nobody names. */
      readonly found: Found;
      readonly leftovers: readonly HeldLeg[];
      readonly fenced: readonly FencedPart[];
    }
  | {
      readonly kind: 'keep-lost';
      /** Of what carried it: nobody knows how they belong together. */
      readonly carrying: readonly HeldLeg[];
      readonly found: Found;
      readonly leftovers: readonly HeldLeg[];
      readonly readers: readonly Reader[];
      /** Above that of every leg that is there: legs are named by it. */
      readonly generation: number;
      readonly sizeBytes: number;
      readonly fenced: readonly FencedPart[];
    }
  | { readonly kind: 'end'; readonly leftovers: readonly HeldLeg[]; readonly fenced: readonly FencedPart[] }
  | { readonly kind: 'let-go'; readonly leftovers: readonly HeldLeg[] }
  | { readonly kind: 'refused'; readonly why: string };

export const refused = (why: string): Verdict => ({ kind: 'refused', why });

/** Decides by what card and pools told, which must agree; what is not known is never taken for gone. */
export function judge(
  one: DifferingVolume,
  reality: Reality,
  recorded: readonly RecordedVolume[],
  incarnation: string,
): Verdict {
  const silent = silentOf(one, reality);
  if (silent !== null) return refused(silent);
  if (one.recorded?.isUnderWay && one.recorded.volume.settledIn === incarnation)
    return refused('a change of it that began after the restore is under way: wait until it is over');
  const { recorded: known } = one;
  const here = one.parts.cards.filter((each) => known === null || !isLeaving(known.volume, each));
  const fenced = here.flatMap((each) => fencedPart(each, one.parts.legs));
  const [part, other] = here.filter((each) => !fenced.some(({ cardId }) => cardId === each.cardId));
  if (part && other)
    return refused(`it runs on ${part.cardId} and on ${other.cardId}: end it on one of them by hand first`);
  const readers = readersOf(one.volumeId, reality, recorded);
  const scene: Scene = { one, given: part?.given ?? null, readers, reality, books: recorded };
  if (!part) {
    const held = heldLegs(one.parts.legs);
    return typeof held === 'string' ? refused(held) : withoutCard(scene, held, fenced);
  }
  const onCard = part.given ? desiredStacks(part.given).flatMap(({ legs }) => legs) : [];
  const carried = new Set(onCard.map(({ legId }) => legId));
  const found = foundSnapshots(scene, carried);
  const kept = new Set([...carried, ...found.legs.map(({ given }) => given.legId)]);
  const leftovers = heldLegs(one.parts.legs.filter(({ legId }) => !kept.has(legId)));
  if (typeof leftovers === 'string') return refused(leftovers);
  const frozen = found.legs.filter(({ given }) => !carried.has(given.legId));
  return takeOver(scene, part, { leftovers, found, frozen, fenced });
}

/**
 * Every leg that the card stands on is served at a later epoch and to another, or gone from its pool, which has answered:
 * the volume was failed over, and no write of this card arrives anywhere any more.
 */
function fencedPart({ cardId, given }: CardPart, parts: readonly LegPart[]): FencedPart[] {
  const legs = given?.stack.legs ?? [];
  const isFenced = legs.every(({ legId, poolId, epoch }) => {
    const observed = parts.find((part) => part.legId === legId && part.poolId === poolId)?.observed;
    return !observed || (observed.epoch > epoch && observed.holderCardId !== cardId);
  });
  return given !== null && legs.length > 0 && isFenced ? [{ cardId, given }] : [];
}

/** Whoever may have something of the volume has to have answered. */
function silentOf({ recorded, parts }: DifferingVolume, { failures, answered }: Reality): string | null {
  const cards = [recorded?.volume.cardId, ...parts.legs.map(({ given }) => given?.holder.cardId)];
  const pools = [
    ...(recorded?.legs.map(({ poolId }) => poolId) ?? []),
    ...parts.cards
      .flatMap(({ given }) =>
        given ? [...desiredStacks(given), ...(given.kept?.stacks ?? [])].flatMap(({ legs }) => legs) : [],
      )
      .map(({ poolId }) => poolId),
  ];
  const names = [
    ...cards.filter((id) => id !== undefined).map((id) => `card ${id}`),
    ...pools.map((id) => `pool ${id}`),
  ];
  const known = new Set(answered.map(({ role, id }) => `${role} ${id}`));
  const missing = names.find((name) => !known.has(name));
  return missing === undefined
    ? null
    : `${missing} did not answer (${failures.get(missing) ?? 'it is not known'}), and may have something of it`;
}

function heldLegs(parts: readonly LegPart[]): HeldLeg[] | string {
  const held: HeldLeg[] = [];
  for (const { poolId, legId, given } of parts) {
    if (given === null) return `pool ${poolId} has ${legId} and was given nothing of it: nobody can say whose it is`;
    held.push({ poolId, given });
  }
  return held;
}

interface Around {
  readonly leftovers: readonly HeldLeg[];
  readonly found: Found;
  readonly frozen: readonly FoundLeg[];
  readonly fenced: readonly FencedPart[];
}

function takeOver(scene: Scene, { cardId, given, observed }: CardPart, around: Around): Verdict {
  const { parts } = scene.one;
  if (given === null) return refused(`it runs on ${cardId}, whose agent was given nothing of it`);
  if (given.tombstone) return refused(`${cardId} is deleting it: wait until it is gone`);
  if (observed === null || !isSettled(observed, plannedVolumeOf(given))) return refused(unfinished(cardId, given));
  const bases = given.bases?.map((base) => baseGiven(scene, base)) ?? [];
  const unknown = given.bases?.find(({ shared }, depth) => shared && !bases[depth]?.origin);
  if (unknown)
    return refused(
      `it is a clone, and no pool has the legs of stack ${unknown.stackGeneration} that it reads from: look at ${cardId} and at the pools that it names`,
    );
  const legs: Extract<Verdict, { kind: 'take-over' }>['legs'][number][] = [];
  for (const { stackGeneration, legs: ofStack } of desiredStacks(given).filter(({ shared }) => !shared))
    for (const [position, onCard] of ofStack.entries()) {
      const onPool = legOnPool(onCard, cardId, parts.legs);
      if (typeof onPool === 'string') return refused(onPool);
      legs.push({ onCard, onPool, stackGeneration, position });
    }
  const fenced = around.fenced.filter((one) => one.cardId !== cardId);
  const { readers } = scene;
  return { kind: 'take-over', cardId, given, observed, legs, bases, ...around, fenced, readers };
}

function unfinished(cardId: string, { operationId, paused }: DesiredVolume): string {
  return paused
    ? `${cardId} holds ${operationId}, as it was paused: resume it where it is paused now, and wait until it is at rest`
    : `${cardId} has not finished ${operationId}, or is making it good: wait until it is at rest`;
}

/** The leg as its pool has it, where that is what the card stands on; else what disagrees. */
function legOnPool(leg: DesiredCardLeg, cardId: string, parts: readonly LegPart[]): HeldLeg | string {
  const { legId, poolId, epoch, sizeBytes } = leg;
  const part = parts.find((one) => one.legId === legId && one.poolId === poolId);
  if (!part?.observed || part.given === null)
    return `${cardId} stands on ${legId} of ${poolId}, which does not have it`;
  const { given, observed } = part;
  if (given.tombstone) return `${poolId} is to delete ${legId}, on which ${cardId} stands`;
  if (observed.epoch !== epoch || given.epoch !== epoch)
    return `${cardId} holds ${legId} at epoch ${epoch}, and ${poolId} has it at ${observed.epoch}`;
  // A growth in place that stopped half-way has made the leg larger: what the card holds of it is complete.
  if (observed.sizeBytes < sizeBytes || given.sizeBytes < sizeBytes)
    return `${cardId} holds ${sizeBytes} bytes of ${legId}, and ${poolId} has ${observed.sizeBytes}`;
  if (observed.holderCardId !== cardId || given.holder.cardId !== cardId)
    return `${legId} is open to ${observed.holderCardId ?? 'nobody'} on ${poolId}, and ${cardId} stands on it`;
  return { poolId, given };
}
