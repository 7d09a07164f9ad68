import type { Snapshot } from '@flexbso/contracts';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { SnapshotRecord } from './snapshot-record.js';

/** The snapshot as the API shows it. */
export function snapshotView(
  { bases, ...shown }: SnapshotRecord,
  { volumeId, name }: VolumeRecord,
  legs: readonly LegRecord[],
): Snapshot {
  const generations = [shown, ...bases].map(({ stackGeneration }) => stackGeneration);
  const own = legs.filter((leg) => generations.includes(leg.stackGeneration));
  return {
    ...shown,
    volumeId,
    volumeName: name,
    legs: own.map(({ legId, poolId, sizeBytes, stackGeneration }) => ({ legId, poolId, sizeBytes, stackGeneration })),
    format: bases.length === 0 ? 'flat' : 'overlay',
    reservations: roomOf(own),
  };
}

/** A leg holds its size of its pool. */
function roomOf(legs: readonly LegRecord[]): Snapshot['reservations'] {
  const byPool = new Map<string, number>();
  for (const { poolId, sizeBytes } of legs) byPool.set(poolId, (byPool.get(poolId) ?? 0) + sizeBytes);
  return [...byPool]
    .map(([poolId, capacityBytes]) => ({ poolId, capacityBytes }))
    .toSorted((left, right) => (left.poolId < right.poolId ? -1 : 1));
}
