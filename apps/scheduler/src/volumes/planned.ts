import { cardLayersOf, legCompressionOf, type PlannedVolume } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

type PlannableLeg = Pick<
  LegRecord,
  'legId' | 'poolId' | 'epoch' | 'sizeBytes' | 'addressKind' | 'position' | 'stackGeneration'
>;

/** What plans are made of, for one want of a volume. `legs` may hold those of other stacks too. */
export function plannedVolume(
  volume: Pick<VolumeRecord, 'volumeId' | 'protocol' | 'functionId'>,
  want: VolumeWant,
  legs: readonly PlannableLeg[],
  copyBytesPerSecond: number,
  tombstone = false,
): PlannedVolume {
  const ofStack = legs
    .filter((leg) => leg.stackGeneration === want.stackGeneration)
    .toSorted((left, right) => left.position - right.position);
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
      legs: ofStack.map(({ legId, poolId, epoch, sizeBytes, addressKind }) => ({
        legId,
        poolId,
        epoch,
        sizeBytes,
        addressKind,
        ...(compression === null ? {} : { compression }),
      })),
    },
    copyBytesPerSecond,
    tombstone,
    ...(want.detached ? { detached: true } : {}),
  };
}
