import { finalChangeStates } from '@flexbso/contracts';
import type { Cursor, StoreReader } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { RecordedVolume } from './compare.js';

const PAGE_SIZE = 500;

/** Every volume with all that belongs to it, as the reader sees it. */
export async function recordedVolumes(reader: StoreReader): Promise<RecordedVolume[]> {
  const found: RecordedVolume[] = [];
  let after: Cursor | null = null;
  for (;;) {
    const page: VolumeRecord[] = await reader.volumes(null, after, PAGE_SIZE);
    for (const volume of page) found.push(await recordedVolume(reader, volume));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_SIZE) return found;
    after = { createdAtMs: last.createdAtMs, id: last.volumeId };
  }
}

async function recordedVolume(reader: StoreReader, volume: VolumeRecord): Promise<RecordedVolume> {
  const change = volume.changeId === null ? null : await reader.change(volume.changeId);
  const isUnderWay = change === null || !finalChangeStates.includes(change.state);
  const entry = await reader.desiredItem('card', volume.cardId, volume.volumeId);
  return {
    volume,
    legs: await reader.legsOf(volume.volumeId),
    reservations: await reader.reservationsOf(volume.volumeId),
    given: entry?.role === 'card' ? entry.item : null,
    isUnderWay,
    before: isUnderWay ? (change?.from ?? null) : null,
  };
}
