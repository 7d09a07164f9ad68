import { isSame } from '@flexbso/stack';
import type { Cursor, StoreReader } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';

const PAGE_SIZE = 500;

/** How far the books were with each volume just before cards and pools were asked, by volume. */
export type Asked = ReadonlyMap<string, VolumeRecord>;

/** Volumes alone: what belongs to one does not change without it. */
export async function volumesWhenAsked(reader: StoreReader): Promise<Asked> {
  const asked = new Map<string, VolumeRecord>();
  let after: Cursor | null = null;
  for (;;) {
    const page: VolumeRecord[] = await reader.volumes(null, after, PAGE_SIZE);
    for (const volume of page) asked.set(volume.volumeId, volume);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_SIZE) return asked;
    after = { createdAtMs: last.createdAtMs, id: last.volumeId };
  }
}

/**
 * Why answers say nothing about a volume; null: they do. One agent that does not answer has the others' answers wait for
 * it, and meanwhile an agent may come over, and a volume that it told of be changed, or deleted, in this life. By such an
 * answer it would be taken for one that was made since, and be ordered of its card and pools anew, empty.
 */
export function whyOutdated(asked: VolumeRecord | undefined, now: VolumeRecord | undefined): string | null {
  if (isSame(ordersOf(asked), ordersOf(now))) return null;
  const what = now === undefined ? 'the books let it go' : 'the books have changed of it';
  return `${what} while cards and pools were asked: nothing of it was settled; look at the differences again`;
}

/** All that moves with an order or its echo, and nothing of what agents report of their own accord. */
function ordersOf(volume: VolumeRecord | undefined): unknown {
  if (volume === undefined) return null;
  const { generation, appliedGeneration, settledGeneration, changeId, cardOperationId, settledIn } = volume;
  const former = volume.formerCards.map(({ cardId, operationId }) => [cardId, operationId]);
  const snapshots = volume.snapshots.map(({ snapshotId, state }) => [snapshotId, state]);
  return [generation, appliedGeneration, settledGeneration, changeId, cardOperationId, settledIn, former, snapshots];
}
