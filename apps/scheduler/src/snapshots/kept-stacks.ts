import { cardLayersOf, type PlannedStack } from '@flexbso/stack';
import type { Draft } from '../changes/draft.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import type { BaseLeg, BaseStack, SnapshotRecord } from './snapshot-record.js';

/** The stack that a volume runs on and those beneath it, the uppermost first. */
export function stacksOf({ stackGeneration, stack, keyRef, bases = [] }: VolumeWant): BaseStack[] {
  return [{ stackGeneration, stack, keyRef }, ...bases];
}

/** The generations of the stacks that a want runs on. */
export function carriersOf(want: VolumeWant): number[] {
  return stacksOf(want).map(({ stackGeneration }) => stackGeneration);
}

export function stacksOfSnapshot({ stackGeneration, stack, keyRef, bases }: SnapshotRecord): BaseStack[] {
  return [{ stackGeneration, stack, keyRef }, ...bases];
}

/**
 * The generations of all stacks that somebody refers to: the volume runs on them, or a snapshot is them or lies on them.
 * A leg of such a stack is never deleted.
 */
export function keptGenerations(want: VolumeWant, snapshots: readonly SnapshotRecord[]): Set<number> {
  const stacks = [...stacksOf(want), ...snapshots.flatMap(stacksOfSnapshot)];
  return new Set(stacks.map(({ stackGeneration }) => stackGeneration));
}

export type PlannableLeg = Pick<
  LegRecord,
  'legId' | 'poolId' | 'epoch' | 'sizeBytes' | 'addressKind' | 'position' | 'stackGeneration'
>;

/** Of legs of several stacks those of one, in their order, as plans are made of them. */
export function plannedLegs(legs: readonly PlannableLeg[], stackGeneration: number): PlannedStack['legs'] {
  return legs
    .filter((leg) => leg.stackGeneration === stackGeneration)
    .toSorted((left, right) => left.position - right.position)
    .map(({ legId, poolId, epoch, sizeBytes, addressKind }) => ({ legId, poolId, epoch, sizeBytes, addressKind }));
}

export function plannedBase(base: BaseStack, legs: readonly PlannableLeg[]): PlannedStack {
  const { stackGeneration, stack, keyRef } = base;
  return {
    stackGeneration,
    layers: cardLayersOf(stack.layers),
    keyRef,
    legs: plannedLegs(base.legs ?? legs, stackGeneration),
  };
}

/** The legs of another volume's snapshot that a clone reads from, and whose they are. */
export function borrowedLegs({ bases = [] }: VolumeWant): (BaseLeg & { readonly ownerId: string })[] {
  return bases.flatMap(({ origin, legs = [] }) =>
    origin === undefined ? [] : legs.map((leg) => ({ ...leg, ownerId: origin.volumeId })),
  );
}

/** The snapshot that a volume, or what is kept of it, still reads from; null: it holds everything itself. */
export function originOf({ want, snapshots }: Pick<VolumeRecord, 'want' | 'snapshots'>): BaseStack['origin'] | null {
  const stacks = [...stacksOf(want), ...snapshots.flatMap(stacksOfSnapshot)];
  return stacks.find(({ origin }) => origin !== undefined)?.origin ?? null;
}

/** The stacks of a volume's legs that nobody refers to any more once `want` is what runs and these are its snapshots. */
export function leavingStacks(
  { want: before, snapshots: snapshotsBefore }: Pick<VolumeRecord, 'want' | 'snapshots'>,
  legs: readonly PlannableLeg[],
  kept: ReadonlySet<number>,
): PlannedStack[] {
  const known = new Map(
    [...snapshotsBefore.flatMap(stacksOfSnapshot), ...stacksOf(before)].map((stack) => [stack.stackGeneration, stack]),
  );
  return [...known.values()]
    .filter(({ stackGeneration, origin }) => !kept.has(stackGeneration) && origin === undefined)
    .map((stack) => plannedBase(stack, legs))
    .filter((stack) => stack.legs.length > 0)
    .toSorted((left, right) => right.stackGeneration - left.stackGeneration);
}

/**
 * The snapshots that are there when the change is over. One whose deletion was turned back stays, and is not ready again:
 * it may be written over in part. Of those that were to go with their volume none was touched.
 */
export function snapshotsAfter({ volume, change }: Pick<Draft, 'volume' | 'change'>): SnapshotRecord[] {
  const isOwn = ({ changeId }: SnapshotRecord) => changeId === change.changeId;
  if (change.reverting && change.kind === 'delete')
    return volume.snapshots.map((one) => (isOwn(one) ? { ...one, state: 'ready' } : one));
  const ends = change.reverting ? 'making' : 'deleting';
  return volume.snapshots.filter((one) => !isOwn(one) || one.state !== ends);
}
