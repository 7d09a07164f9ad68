import type { DesiredCardLeg, DesiredVolume, ObservedVolume } from '@flexbso/contracts';
import { desiredStacks, isSettled, plannedVolumeOf } from '@flexbso/stack';
import type { RecordedVolume } from '../check/compare.js';
import type { LegRecord } from '../legs/leg-record.js';
import { carriersOf, originOf } from '../snapshots/kept-stacks.js';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import { type DifferingVolume, isLeaving } from './differences.js';
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
      /** Snapshots that the books know and of which every leg is there, with those legs that the card does not stand on. */
      readonly snapshots: readonly SnapshotRecord[];
      readonly frozen: readonly LegRecord[];
      readonly leftovers: readonly HeldLeg[];
      /** Cards that still have it, and that its pools have shut out since. */
      readonly fenced: readonly FencedPart[];
    }
  | {
      readonly kind: 'keep-detached';
      /** What is kept: as it is recorded, or what the change that is under way there would go back to. */
      readonly want: VolumeWant;
      readonly isAsWanted: boolean;
      /** Of its stack, of those beneath it, and of the snapshots that are kept. */
      readonly legs: readonly HeldLeg[];
      readonly snapshots: readonly SnapshotRecord[];
      readonly leftovers: readonly HeldLeg[];
      readonly fenced: readonly FencedPart[];
    }
  | { readonly kind: 'end'; readonly leftovers: readonly HeldLeg[]; readonly fenced: readonly FencedPart[] }
  | { readonly kind: 'let-go'; readonly leftovers: readonly HeldLeg[] }
  | { readonly kind: 'refused'; readonly why: string };

const refused = (why: string): Verdict => ({ kind: 'refused', why });

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
  const kept = part ? keptSnapshots(one, part) : { snapshots: [], legs: [] };
  const onCard = part?.given ? desiredStacks(part.given).flatMap(({ legs }) => legs) : [];
  const carried = new Set([...onCard, ...kept.legs].map(({ legId }) => legId));
  const leftovers = heldLegs(one.parts.legs.filter(({ legId }) => !carried.has(legId)));
  if (typeof leftovers === 'string') return refused(leftovers);
  const strange = leftovers.find((leg) => isFrozen(leg) && !isRecorded(one, leg));
  if (part && strange)
    return refused(
      `pool ${strange.poolId} keeps ${strange.given.legId} for a snapshot that the copy does not know: a newer copy may; here it would be deleted`,
    );
  return part
    ? takeOver(one, part, { leftovers, kept, fenced }, recorded)
    : withoutCard(one, { held: leftovers, fenced }, recorded);
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

interface Kept {
  readonly snapshots: readonly SnapshotRecord[];
  readonly legs: readonly LegRecord[];
}

/**
 * What the books know of snapshots, as far as it is there: one that lacks a leg was deleted since, and on one that the
 * guest writes to the volume was never put an overlay, or that was written back.
 */
function keptSnapshots({ recorded, parts }: DifferingVolume, { given: onCard }: CardPart): Kept {
  const there = parts.legs.filter(({ observed, given }) => observed !== null && !given?.tombstone);
  const kept = snapshotsOn(recorded, there);
  const snapshots = kept.filter((one) => one.stackGeneration !== onCard?.stack.stackGeneration);
  return { snapshots, legs: legsOfSnapshots(recorded, snapshots) };
}

/** Those of which every leg is among these. */
function snapshotsOn(books: RecordedVolume | null, legs: readonly { readonly legId: string }[]): SnapshotRecord[] {
  const ids = new Set(legs.map(({ legId }) => legId));
  const snapshots = books?.volume.snapshots ?? [];
  return snapshots.filter((one) => legsOfSnapshots(books, [one]).every(({ legId }) => ids.has(legId)));
}

function legsOfSnapshots(books: RecordedVolume | null, snapshots: readonly SnapshotRecord[]): LegRecord[] {
  const stacks = snapshots.flatMap((one) => [one, ...one.bases]);
  const generations = new Set(stacks.map(({ stackGeneration }) => stackGeneration));
  return books?.legs.filter(({ stackGeneration }) => generations.has(stackGeneration)) ?? [];
}

const isFrozen = ({ given }: HeldLeg) => given.role === 'frozen' && !given.tombstone;
const isRecorded = ({ recorded }: DifferingVolume, { given }: HeldLeg) =>
  recorded?.legs.some(({ legId }) => legId === given.legId) ?? false;

/** What no card has may be gone, or detached: what its pools keep tells, since a pool is told which legs carry a volume. */
function withoutCard(
  one: DifferingVolume,
  { held, fenced }: { readonly held: readonly HeldLeg[]; readonly fenced: readonly FencedPart[] },
  books: readonly RecordedVolume[],
): Verdict {
  const { volumeId, recorded } = one;
  const carrying = held.filter(({ given }) => given.role === 'current' && !given.tombstone);
  const frozen = held.filter(isFrozen);
  for (const want of recorded ? [recorded.volume.want, recorded.before ?? null] : []) {
    const kept = recorded && want && keptDetached(recorded, want, one.parts.legs, { carrying, frozen });
    if (!kept) continue;
    const legs = [...carrying, ...kept.frozen];
    const leftovers = held.filter((leg) => !legs.includes(leg));
    const isAsWanted = want === recorded.volume.want;
    return { kind: 'keep-detached', want, isAsWanted, legs, snapshots: kept.snapshots, leftovers, fenced };
  }
  const clone = books.find(({ volume }) => volume.volumeId !== volumeId && originOf(volume)?.volumeId === volumeId);
  if (frozen.length > 0 && clone)
    return refused(
      `${clone.volume.name} (${clone.volume.volumeId}) is a clone and reads from its snapshot: delete that first, or restore a newer copy`,
    );
  // What a card still runs, on legs that are gone, is nothing to be let go of unasked.
  const isNothing = carrying.length + frozen.length + fenced.length === 0;
  return isNothing ? { kind: 'let-go', leftovers: held } : { kind: 'end', leftovers: held, fenced };
}

/** The wanted stack with those beneath it, and the snapshots, as their pools have them; null: not all of the stack is there. */
function keptDetached(
  recorded: RecordedVolume,
  want: VolumeWant,
  parts: readonly LegPart[],
  { carrying, frozen }: { readonly carrying: readonly HeldLeg[]; readonly frozen: readonly HeldLeg[] },
): { readonly snapshots: readonly SnapshotRecord[]; readonly frozen: readonly HeldLeg[] } | null {
  const same = (leg: LegRecord, among: readonly HeldLeg[]) => among.find((one) => isSameLeg(leg, one, parts));
  const [top, ...beneath] = carriersOf(want);
  const wanted = recorded.legs.filter((leg) => leg.stackGeneration === top);
  const bases = recorded.legs.filter((leg) => beneath.includes(leg.stackGeneration));
  const isWhole =
    wanted.length > 0 &&
    wanted.length === carrying.length &&
    wanted.every((leg) => same(leg, carrying)) &&
    bases.every((leg) => same(leg, frozen));
  if (!isWhole) return null;
  const there = recorded.legs.filter((leg) => same(leg, frozen));
  const snapshots = snapshotsOn(recorded, there);
  const needed = new Set([...bases, ...legsOfSnapshots(recorded, snapshots)].map(({ legId }) => legId));
  return { snapshots, frozen: frozen.filter(({ given }) => needed.has(given.legId)) };
}

/** At the size that is recorded, and as its pool was told last. */
function isSameLeg(leg: LegRecord, { poolId, given }: HeldLeg, parts: readonly LegPart[]): boolean {
  const observed = parts.find((part) => part.legId === leg.legId && part.poolId === poolId)?.observed;
  return (
    leg.legId === given.legId &&
    leg.poolId === poolId &&
    leg.sizeBytes === given.sizeBytes &&
    observed?.sizeBytes === given.sizeBytes &&
    observed.epoch === given.epoch
  );
}

/** Whoever may have something of the volume has to have answered. */
function silentOf({ recorded, parts }: DifferingVolume, { failures, answered }: Reality): string | null {
  const cards = [recorded?.volume.cardId, ...parts.legs.map(({ given }) => given?.holder.cardId)];
  const pools = [
    ...(recorded?.legs.map(({ poolId }) => poolId) ?? []),
    ...parts.cards.flatMap(({ given }) =>
      given ? desiredStacks(given).flatMap(({ legs }) => legs.map(({ poolId }) => poolId)) : [],
    ),
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

function takeOver(
  { volumeId, parts, recorded: books }: DifferingVolume,
  { cardId, given, observed }: CardPart,
  found: { readonly leftovers: readonly HeldLeg[]; readonly kept: Kept; readonly fenced: readonly FencedPart[] },
  recorded: readonly RecordedVolume[],
): Verdict {
  if (given === null) return refused(`it runs on ${cardId}, whose agent was given nothing of it`);
  if (given.tombstone) return refused(`${cardId} is deleting it: wait until it is gone`);
  if (observed === null || !isSettled(observed, plannedVolumeOf(given)))
    return refused(`${cardId} has not finished ${given.operationId}, or is making it good: wait until it is at rest`);
  const holder = recorded.find((one) => one.volume.volumeId !== volumeId && holdsFunction(one, cardId, given));
  if (holder)
    return refused(
      `the books hold ${given.export.functionId} of ${cardId} for ${holder.volume.name} (${holder.volume.volumeId}): settle that first`,
    );
  const unknown = given.bases?.find((base) => base.shared && !standsOn(books, base.stackGeneration));
  if (unknown)
    return refused(
      `it is a clone that was made since, and the copy does not know on whose snapshot it stands (stack ${unknown.stackGeneration}): only a newer copy does`,
    );
  const legs: Extract<Verdict, { kind: 'take-over' }>['legs'][number][] = [];
  for (const { stackGeneration, legs: ofStack } of desiredStacks(given).filter(({ shared }) => !shared))
    for (const [position, onCard] of ofStack.entries()) {
      const onPool = legOnPool(onCard, cardId, parts.legs);
      if (typeof onPool === 'string') return refused(onPool);
      legs.push({ onCard, onPool, stackGeneration, position });
    }
  const { leftovers, kept } = found;
  const { snapshots } = kept;
  const frozen = kept.legs
    .filter(({ legId }) => !legs.some(({ onCard }) => onCard.legId === legId))
    .map((leg) => asOnPool(leg, parts.legs));
  const fenced = found.fenced.filter((one) => one.cardId !== cardId);
  return { kind: 'take-over', cardId, given, observed, legs, leftovers, snapshots, frozen, fenced };
}

/** Its pool may have been told to serve it to another card since. */
function asOnPool(leg: LegRecord, parts: readonly LegPart[]): LegRecord {
  const given = parts.find(({ legId, poolId }) => legId === leg.legId && poolId === leg.poolId)?.given;
  if (!given) return leg;
  const { epoch, holder, operationId, changeId } = given;
  const now = { ...leg, epoch, holder, operationId, changeId };
  // It is reached as its pool will say.
  return epoch === leg.epoch ? now : { ...now, address: null, access: null };
}

function standsOn(books: RecordedVolume | null, stackGeneration: number): boolean {
  const bases = books?.volume.want.bases ?? [];
  return bases.some((base) => base.origin !== undefined && base.stackGeneration === stackGeneration);
}

/** By its reservation: a volume whose creation was undone still names the function that it was to have. */
function holdsFunction({ reservations }: RecordedVolume, cardId: string, { export: shown }: DesiredVolume): boolean {
  return reservations.some(
    ({ ownerRole, ownerId, functionId }) =>
      ownerRole === 'card' && ownerId === cardId && functionId === shown.functionId,
  );
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
