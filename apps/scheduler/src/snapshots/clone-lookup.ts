import { type Caller, ProblemError, type VolumeSpec } from '@flexbso/contracts';
import type { StoreReader } from '../store/store.js';
import { findVolume } from '../volumes/volume-lookup.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { type CloneSource, refuseCloned } from './clone.js';
import { originOf } from './kept-stacks.js';
import { findSnapshot } from './propose-snapshot.js';

/** @throws ProblemError `not-found` */
export async function cloneSource(
  reader: StoreReader,
  caller: Caller,
  from: NonNullable<VolumeSpec['fromSnapshot']>,
): Promise<CloneSource> {
  const volume = await findVolume(reader, from.volume, caller);
  const snapshot = findSnapshot({ volume }, from.snapshot);
  const legs = await reader.legsOf(volume.volumeId);
  return { volume, snapshot, legs, cloneCount: (await reader.volumesFrom(snapshot.snapshotId)).length };
}

/** A clone and what it reads from are open to one card. @throws ProblemError `change-refused` where a failover would part them */
export async function refuseTorn(reader: StoreReader, volume: VolumeRecord): Promise<void> {
  const origin = originOf(volume);
  if (origin) {
    const detail = `volume ${volume.name} is a clone and reads from ${origin.snapshotId} of ${origin.volumeId}, whose legs are open to card ${volume.cardId} alone: it is not failed over`;
    throw new ProblemError({ code: 'change-refused', detail, facts: { ...origin } });
  }
  for (const { snapshotId, name } of volume.snapshots)
    refuseCloned(
      `volume ${volume.name} is not failed over with its snapshot ${name}`,
      await reader.volumesFrom(snapshotId),
    );
}
