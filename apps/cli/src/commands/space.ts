import { type VolumeSpace, volumeSpaceSchema } from '@flexbso/contracts';
import type { ApiClient } from '../client/api-client.js';
import { ApiError } from '../client/api-error.js';
import { facts } from '../print/table.js';
import { timeText } from '../print/words.js';
import { formatSize } from '../units/size.js';

/** What a volume takes of its pools; the rest of its description is worth as much without. */
export async function spaceLines(client: ApiClient, volume: string): Promise<string[]> {
  try {
    return ['', ...textOf(await client.get(`/v1/volumes/${volume}/space`, volumeSpaceSchema))];
  } catch (error) {
    if (error instanceof ApiError) return ['', `what it takes of its pools is not known: ${error.message}`];
    throw error;
  }
}

function textOf({ legs, savedBytes }: VolumeSpace): string[] {
  const takes = legs.map(({ legId, poolId, allocatedBytes, measuredAtMs }) =>
    allocatedBytes === null
      ? `${legId} on ${poolId}: not measured yet`
      : `${legId} on ${poolId}: ${formatSize(allocatedBytes)} at ${timeText(measuredAtMs) ?? ''}`,
  );
  return facts({
    takes: takes.join('; ') || 'nothing',
    'space saved': savedBytes === null ? null : savedText(legs, savedBytes),
  });
}

/** Of content that does not shrink, compression takes more than it saves, and that is said too. */
function savedText(legs: VolumeSpace['legs'], savedBytes: number): string {
  const contentBytes = legs.reduce((sum, { uncompressedBytes }) => sum + (uncompressedBytes ?? 0), 0);
  const share =
    contentBytes > 0 ? ` (${Math.round((100 * savedBytes) / contentBytes)} % of ${formatSize(contentBytes)})` : '';
  return savedBytes < 0
    ? `none: it takes ${formatSize(-savedBytes)} more${share}`
    : `${formatSize(savedBytes)}${share}`;
}
