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
  return {
    ...shown,
    volumeId,
    volumeName: name,
    legs: legs
      .filter((leg) => generations.includes(leg.stackGeneration))
      .map(({ legId, poolId, sizeBytes, stackGeneration }) => ({ legId, poolId, sizeBytes, stackGeneration })),
  };
}
