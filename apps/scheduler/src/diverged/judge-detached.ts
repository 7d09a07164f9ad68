import { BLOCK_SIZE_BYTES, MAX_STRIPED_LEGS } from '@flexbso/contracts';
import type { RecordedVolume } from '../check/compare.js';
import { derivedId } from '../ids.js';
import type { LegRecord } from '../legs/leg-record.js';
import { carriersOf } from '../snapshots/kept-stacks.js';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { VolumeWant } from '../volumes/volume-record.js';
import type { DifferingVolume } from './differences.js';
import { foundSnapshots, type Scene, withLost } from './found-snapshots.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';
import type { LegPart } from './reality.js';

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

/** What no card has may be gone, or detached: what its pools keep tells, since a pool is told which legs carry a volume. */
export function withoutCard(scene: Scene, held: readonly HeldLeg[], fenced: readonly FencedPart[]): Verdict {
  const { recorded, parts } = scene.one;
  const carrying = held.filter(({ given }) => given.role === 'current' && !given.tombstone);
  const frozen = held.filter(isFrozen);
  for (const want of recorded ? [recorded.volume.want, recorded.before ?? null] : []) {
    const kept = recorded && want && keptDetached(recorded, want, parts.legs, { carrying, frozen });
    if (!kept) continue;
    const legs = [...carrying, ...kept.frozen];
    const carried = new Set(legs.map(({ given }) => given.legId));
    const found = withLost(scene, { snapshots: kept.snapshots, legs: [], lostId: null }, carried);
    const all = new Set([...carried, ...found.legs.map(({ given }) => given.legId)]);
    const leftovers = held.filter(({ given }) => !all.has(given.legId));
    const isAsWanted = want === recorded.volume.want;
    return { kind: 'keep-detached', want, isAsWanted, legs, found, leftovers, fenced };
  }
  // What a card still runs, on legs that are gone, is nothing to be let go of unasked.
  if (carrying.length + frozen.length + fenced.length === 0 && !mayCarry(scene.one, held))
    return { kind: 'let-go', leftovers: held };
  return keptLost(scene, held, fenced) ?? { kind: 'end', leftovers: held, fenced };
}

/**
 * Its pools keep none of the legs that are recorded, and others that were made since. One of those may have carried it:
 * a pool that was away did not hear so.
 */
function mayCarry({ recorded, parts }: DifferingVolume, held: readonly HeldLeg[]): boolean {
  if (recorded === null) return false;
  const known = new Set(recorded.legs.map(({ legId }) => legId));
  const isThere = parts.legs.some(({ legId, observed }) => observed !== null && known.has(legId));
  return !isThere && held.some(({ given }) => !known.has(given.legId) && !given.tombstone);
}

/** Null: nothing of it is of use to anybody. */
function keptLost(scene: Scene, held: readonly HeldLeg[], fenced: readonly FencedPart[]): Verdict | null {
  const { one, readers } = scene;
  const found = foundSnapshots(scene, new Set());
  const isRead = readers.length > 0 && found.snapshots.length > 0;
  if (!isRead && !found.snapshots.some(({ state }) => state === 'ready')) return null;
  const ofSnapshots = new Set(found.legs.map(({ given }) => given.legId));
  const carrying = held.filter(
    ({ given }) => given.role === 'current' && !given.tombstone && !ofSnapshots.has(given.legId),
  );
  const kept = new Set([...carrying, ...found.legs].map(({ given }) => given.legId));
  const leftovers = held.filter(({ given }) => !kept.has(given.legId));
  const legIds = one.parts.legs.map(({ legId }) => legId);
  const newest = Math.max(
    newestGeneration(one.volumeId, legIds),
    ...found.snapshots.map((each) => each.stackGeneration),
  );
  const generation = Math.max(newest, one.recorded?.volume.generation ?? 0) + 1;
  const sizeBytes = one.recorded?.volume.want.sizeBytes ?? found.snapshots[0]?.sizeBytes ?? BLOCK_SIZE_BYTES;
  return { kind: 'keep-lost', carrying, found, leftovers, readers, generation, sizeBytes, fenced };
}

/** A leg of a later one is met again under its name only after as many changes. */
const maxGenerations = 4_096;

/** The newest generation whose stack has one of these legs, as their names tell. */
function newestGeneration(volumeId: string, legIds: readonly string[]): number {
  const left = new Set(legIds);
  let newest = 0;
  for (let generation = 1; generation <= maxGenerations && left.size > 0; generation += 1)
    for (let position = 0; position < MAX_STRIPED_LEGS; position += 1)
      if (left.delete(derivedId('leg', volumeId, generation, position))) newest = generation;
  return newest;
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
