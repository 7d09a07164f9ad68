import { cardLayersOf, legCompressionOf, type PlannedVolume } from '@flexbso/stack';
import { plannedBase, plannedLegs, type PlannableLeg } from '../snapshots/kept-stacks.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

/** What plans are made of, for one want of a volume. `legs` may hold those of other stacks too. */
export function plannedVolume(
  volume: Pick<VolumeRecord, 'volumeId' | 'protocol' | 'functionId'>,
  want: VolumeWant,
  legs: readonly PlannableLeg[],
  copyBytesPerSecond: number,
  tombstone = false,
): PlannedVolume {
  const compression = legCompressionOf(want.stack.layers);
  return {
    volumeId: volume.volumeId,
    sizeBytes: want.sizeBytes,
    qos: want.qos,
    export: { protocol: volume.protocol, functionId: volume.functionId },
    stack: {
      stackGeneration: want.stackGeneration,
      layers: cardLayersOf(want.stack.layers),
      keyRef: want.keyRef,
      legs: plannedLegs(legs, want.stackGeneration).map((leg) => ({
        ...leg,
        ...(compression === null ? {} : { compression }),
      })),
    },
    ...(want.bases === undefined ? {} : { bases: want.bases.map((base) => plannedBase(base, legs)) }),
    copyBytesPerSecond,
    tombstone,
    ...(want.detached ? { detached: true } : {}),
  };
}
