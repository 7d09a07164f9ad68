import type { DesiredCardLeg, DesiredStack, DesiredVolume, KeptSnapshot, KeptStack } from '@flexbso/contracts';
import { desiredStacks } from '@flexbso/stack';
import type { RecordedVolume } from '../check/compare.js';
import { derivedId } from '../ids.js';
import type { LegRecord } from '../legs/leg-record.js';
import { stacksOf, stacksOfSnapshot } from '../snapshots/kept-stacks.js';
import type { BaseLeg, BaseStack, SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { DifferingVolume } from './differences.js';
import { originGiven, type Reader, remadeSnapshotId } from './readers.js';
import type { LegPart, Reality } from './reality.js';

/** Null: nobody knows when it was taken. */
export type FoundSnapshot = Omit<SnapshotRecord, 'createdAtMs'> & { readonly createdAtMs: number | null };

/** A leg that a snapshot keeps, where it belongs among its stack's. */
export interface FoundLeg {
  readonly poolId: string;
  readonly given: NonNullable<LegPart['given']>;
  readonly stackGeneration: number;
  readonly position: number;
}

export interface Found {
  readonly snapshots: readonly FoundSnapshot[];
  /** Of all their stacks that are the volume's own. */
  readonly legs: readonly FoundLeg[];
  /** Of the snapshots the one that holds what nobody can put together any more; null: there is no such thing. */
  readonly lostId: string | null;
}

/** All that is known around one volume. */
export interface Scene {
  readonly one: DifferingVolume;
  /** What its card was given; null: no card has it. */
  readonly given: DesiredVolume | null;
  readonly readers: readonly Reader[];
  readonly reality: Reality;
  readonly books: readonly RecordedVolume[];
}

type LegRef = Pick<LegRecord, 'legId' | 'poolId'>;
interface KnownStack {
  readonly base: BaseStack;
  /** The volume's own legs of it, in their order. */
  readonly own: readonly LegRef[];
  /** Its encryption layer can be opened, or it has none. */
  readonly isOpenable: boolean;
}
type Wanted = Omit<KeptSnapshot, 'createdAtMs'> & { readonly createdAtMs: number | null };

/** The generation that the books give to a volume which is adopted: above what both sides knew, so no stack has it. */
export function adoptedGeneration(
  given: Pick<DesiredVolume, 'generation'> | null,
  recorded: Pick<DesiredVolume, 'generation'> | null,
): number {
  return Math.max(given?.generation ?? 0, recorded?.generation ?? 0) + 1;
}

/**
 * The snapshots of a volume, as far as they are there: as its card was told, or else as the books, its clones and its
 * stacks have them. One that lacks a leg was deleted since, and on one that the guest writes to the volume was never put
 * an overlay, or that was written back. What is left over of legs that pools keep for snapshots is one more snapshot,
 * which nothing can be done with but to delete it: nothing of a snapshot goes unasked.
 * @param carried the legs that the volume stands on
 */
export function foundSnapshots(scene: Scene, carried: ReadonlySet<string>): Found {
  const stacks = knownStacks(scene);
  const there = new Map(
    scene.one.parts.legs
      .filter(({ observed, given }) => observed !== null && given !== null && !given.tombstone)
      .map((part) => [part.legId, part]),
  );
  const isThere = ({ legId, poolId }: LegRef) => there.get(legId)?.poolId === poolId;
  const snapshots = wantedSnapshots(scene).flatMap((wanted): FoundSnapshot[] => {
    const chain = wanted.stackGenerations.flatMap((generation) => stacks.get(generation) ?? []);
    const isRead = scene.readers.some(({ origin }) => origin.snapshotId === wanted.snapshotId);
    if (!isRead && isWrittenTo(scene, wanted, stacks)) return [];
    const legs = chain.flatMap(({ own }) => own);
    const isWhole = chain.length === wanted.stackGenerations.length && legs.length > 0 && legs.every(isThere);
    // What a clone reads from stays known under the name that the clone has for it, whatever it lacks.
    if (!isWhole && !(isRead && legs.some(isThere))) return [];
    return [snapshotOf(wanted, chain, isWhole && chain.every(({ isOpenable }) => isOpenable))];
  });
  const kept = new Set(snapshots.flatMap((one) => [one, ...one.bases].map(({ stackGeneration }) => stackGeneration)));
  const legs = [...kept].flatMap((stackGeneration) =>
    (stacks.get(stackGeneration)?.own ?? []).flatMap(({ legId }, position) => {
      const part = there.get(legId);
      return part?.given ? [{ poolId: part.poolId, given: part.given, stackGeneration, position }] : [];
    }),
  );
  return withLost(scene, { snapshots, legs, lostId: null }, carried);
}

/** It is the stack that the guest writes to: as its card has it, or, where none has it, as its pools were not told to keep it. */
function isWrittenTo(
  { given, one }: Scene,
  { stackGenerations: [top = 0] }: Wanted,
  stacks: ReadonlyMap<number, KnownStack>,
): boolean {
  if (given) return top === given.stack.stackGeneration;
  const own = new Set(stacks.get(top)?.own.map(({ legId }) => legId));
  return one.parts.legs.some((leg) => own.has(leg.legId) && leg.given?.role !== 'frozen');
}

/** In the order in which they are to be listed. Each once. */
function wantedSnapshots(scene: Scene): Wanted[] {
  const { one, given, readers } = scene;
  const known: Wanted[] = given?.kept?.snapshots ?? one.recorded?.volume.snapshots.map(recordedSnapshot) ?? [];
  const found = new Map(known.map((snapshot) => [snapshot.snapshotId, snapshot]));
  const changeId = given?.changeId ?? one.recorded?.volume.changeId ?? derivedId('chg', one.volumeId, 'remade');
  const add = (snapshotId: string, sizeBytes: number, stackGenerations: number[]) => {
    if (found.has(snapshotId)) return;
    const about = { name: snapshotId, state: 'ready' as const, changeId, createdAtMs: null };
    found.set(snapshotId, { snapshotId, sizeBytes, stackGenerations, ...about });
  };
  for (const { origin, sizeBytes, stacks } of readers)
    add(
      origin.snapshotId,
      sizeBytes,
      stacks.map(({ stackGeneration }) => stackGeneration),
    );
  const chain = unnamedChain(scene);
  const tops = new Set([...found.values()].map(({ stackGenerations: [top] }) => top));
  for (const [depth, { stackGeneration, isOwn }] of [...chain.stacks.entries()].toReversed())
    if (isOwn && !tops.has(stackGeneration)) {
      const beneath = chain.stacks.slice(depth).map((stack) => stack.stackGeneration);
      add(remadeSnapshotId(one.volumeId, stackGeneration), chain.sizeBytes, beneath);
    }
  return [...found.values()];
}

/**
 * Stacks upon each other, the uppermost first, each of which may be a snapshot that nobody names: those beneath what a
 * card was given by a scheduler that did not say, or, where none has it, what the volume ran on by the books.
 */
function unnamedChain({ given, one: { recorded } }: Scene): {
  readonly stacks: readonly { readonly stackGeneration: number; readonly isOwn: boolean }[];
  readonly sizeBytes: number;
} {
  if (given) {
    const { bases = [], sizeBytes } = given;
    const beneath = bases.map(({ stackGeneration, shared }) => ({ stackGeneration, isOwn: !shared }));
    return { stacks: given.kept ? [] : beneath, sizeBytes };
  }
  if (!recorded) return { stacks: [], sizeBytes: 0 };
  const { want } = recorded.volume;
  const stacks = stacksOf(want).map(({ stackGeneration, origin }, depth) => ({
    stackGeneration,
    // Of those beneath it the books name the snapshots.
    isOwn: depth === 0 && origin === undefined,
  }));
  return { stacks, sizeBytes: want.sizeBytes };
}

function recordedSnapshot(snapshot: SnapshotRecord): Wanted {
  const { snapshotId, name, state, sizeBytes, changeId, createdAtMs } = snapshot;
  const stackGenerations = stacksOfSnapshot(snapshot).map(({ stackGeneration }) => stackGeneration);
  // One whose legs are all kept is one: its making has ended since.
  const now = state === 'deleting' ? state : 'ready';
  return { snapshotId, name, state: now, sizeBytes, stackGenerations, changeId, createdAtMs };
}

function snapshotOf(wanted: Wanted, chain: readonly KnownStack[], isUsable: boolean): FoundSnapshot {
  const [own, ...beneath] = chain.map(({ base }) => base);
  if (!own) throw new Error(`snapshot ${wanted.snapshotId} has no stack`);
  const { stackGenerations: _, ...about } = wanted;
  return { ...about, ...own, bases: beneath, state: isUsable ? wanted.state : 'deleting' };
}

/** By generation: as the card was given it, or else as the books have it, or as a clone tells. */
function knownStacks(scene: Scene): Map<number, KnownStack> {
  const { one, given, readers } = scene;
  const onCard = given ? [...desiredStacks(given), ...(given.kept?.stacks ?? [])] : [];
  const found = new Map<number, KnownStack>();
  for (const stack of [
    ...onCard.map((each) => givenStack(scene, each)),
    ...recordedStacks(one.recorded),
    ...readers.flatMap(({ stacks }) => stacks.map(readStack)),
  ])
    if (!found.has(stack.base.stackGeneration)) found.set(stack.base.stackGeneration, stack);
  return found;
}

function givenStack(scene: Scene, given: DesiredStack | KeptStack): KnownStack {
  const base = baseGiven(scene, given);
  const isOpenable = given.encryptionKey !== null || !isEncrypted(base);
  return { base, own: base.origin ? [] : given.legs, isOpenable };
}

/** A stack as its card was told of it. Beneath a clone it names whose it is, as far as anybody knows. */
export function baseGiven(
  { given, reality, books }: Pick<Scene, 'given' | 'reality' | 'books'>,
  stack: DesiredStack | KeptStack,
): BaseStack {
  const { stackGeneration, layers, encryptionKey, legs } = stack;
  const base = { stackGeneration, stack: { layers }, keyRef: encryptionKey?.keyRef ?? null };
  const isShared = stack.origin !== undefined || ('shared' in stack && stack.shared === true);
  const origin = isShared && given ? originGiven(given, reality, books) : null;
  if (!origin) return base;
  const read = legs.map((leg, position) =>
    readLeg(leg, { stackGeneration, position }, origin.volumeId, reality, books),
  );
  return { ...base, origin, legs: read };
}

/** Where it is served is as the card has it, or else as the books do. */
function readLeg(
  leg: LegRef | DesiredCardLeg,
  at: Pick<BaseLeg, 'stackGeneration' | 'position'>,
  ownerId: string,
  reality: Reality,
  books: readonly RecordedVolume[],
): BaseLeg {
  const { legId, poolId } = leg;
  const named = { legId, poolId, ...at };
  if ('address' in leg) {
    const { sizeBytes, epoch, address, access } = leg;
    return { ...named, sizeBytes, epoch, addressKind: address.kind, address, access };
  }
  const known = books.find(({ volume }) => volume.volumeId === ownerId)?.legs.find((one) => one.legId === legId);
  const given = reality.volumes.get(ownerId)?.legs.find((one) => one.legId === legId)?.given;
  const { addressKind = 'nbd' as const, address = null, access = null } = known ?? {};
  const { sizeBytes, epoch } = given ?? known ?? { sizeBytes: 0, epoch: 1 };
  return { ...named, sizeBytes, epoch, addressKind, address, access };
}

function recordedStacks(recorded: RecordedVolume | null): KnownStack[] {
  if (!recorded) return [];
  const { volume, legs } = recorded;
  return [...volume.snapshots.flatMap(stacksOfSnapshot), ...stacksOf(volume.want)].map((base) => {
    const ofStack = legs.filter(({ stackGeneration }) => stackGeneration === base.stackGeneration);
    const own = ofStack.toSorted((left, right) => left.position - right.position);
    return { base, own: base.origin ? [] : own, isOpenable: true };
  });
}

/** A clone has the key under a name of its own, so that of its source is not known. */
function readStack({ stackGeneration, stack, legs }: Reader['stacks'][number]): KnownStack {
  return { base: { stackGeneration, stack, keyRef: null }, own: legs, isOpenable: !isEncrypted({ stack }) };
}

const isEncrypted = ({ stack }: Pick<BaseStack, 'stack'>) => stack.layers.some(({ kind }) => kind === 'encryption');

/** With what pools keep for snapshots that nobody names. */
export function withLost({ one, given, readers }: Scene, found: Found, carried: ReadonlySet<string>): Found {
  const { volumeId, recorded, parts } = one;
  const kept = new Set([...carried, ...found.legs.map((leg) => leg.given.legId)]);
  const aboveRead = readers.flatMap(({ stacks }) => stacks.map((stack) => stack.stackGeneration + 1));
  const stackGeneration = Math.max(adoptedGeneration(given, recorded?.volume ?? null), ...aboveRead);
  const legs = parts.legs.flatMap((part) => {
    const { legId, poolId, given: asked } = part;
    const isKeptThere = asked !== null && asked.role === 'frozen' && !asked.tombstone;
    return isKeptThere && !kept.has(legId) ? [{ poolId, given: asked }] : [];
  });
  const [first] = legs;
  if (!first) return found;
  const lostId = derivedId('snap', volumeId, 'lost', stackGeneration);
  const lost: FoundSnapshot = {
    snapshotId: lostId,
    name: lostId,
    state: 'deleting',
    sizeBytes: given?.sizeBytes ?? recorded?.volume.want.sizeBytes ?? first.given.sizeBytes,
    stackGeneration,
    stack: { layers: [] },
    keyRef: null,
    bases: [],
    changeId: first.given.changeId,
    createdAtMs: null,
  };
  const placed = legs.map((leg, position) => ({ ...leg, stackGeneration, position }));
  return { snapshots: [...found.snapshots, lost], legs: [...found.legs, ...placed], lostId };
}
