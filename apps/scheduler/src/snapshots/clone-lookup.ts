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

/**
 * A clone and what it reads from are open to one card. `what`: what would part them.
 * @throws ProblemError `change-refused`
 */
export async function refuseTorn(reader: StoreReader, volume: VolumeRecord, what: string): Promise<void> {
  const origin = originOf(volume);
  if (origin) {
    const detail = `volume ${volume.name} is a clone and reads from ${origin.snapshotId} of ${origin.volumeId}, whose legs are open to card ${volume.cardId} alone: it is not ${what}`;
    throw new ProblemError({ code: 'change-refused', detail, facts: { ...origin } });
  }
  for (const { snapshotId, name } of volume.snapshots)
    refuseCloned(
      `volume ${volume.name} is not ${what} with its snapshot ${name}`,
      await reader.volumesFrom(snapshotId),
    );
}
