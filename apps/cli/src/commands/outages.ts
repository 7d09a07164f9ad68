import { type Change, changeSchema } from '@flexbso/contracts';
import type { ApiClient } from '../client/api-client.js';
import { ApiError } from '../client/api-error.js';
import { durationText, timeText } from '../print/words.js';

/** What was long ago is in the list of changes. */
const NEWEST_CHANGES = 20;

export function outageFacts(outage: Change['outage']): Record<string, string | null> {
  if (outage === null) return {};
  const { fromMs, untilMs, fromIsExact, guestMustReset, unflushedLost } = outage;
  const away = durationText(untilMs - fromMs);
  return {
    'I/O was away': `${fromIsExact ? away : `${away} at most`}, until ${timeText(untilMs) ?? ''}`,
    'the guest': guestMustReset ? 'must reset its device' : 'need not reset its device',
    ...(unflushedLost ? { 'unflushed writes': unflushedText } : {}),
  };
}

const unflushedText =
  'those from before are lost, though a flush since then may have succeeded: check the guest’s file systems, or restart it';

/** Of the volume's newest changes, those in which it was built again without what its guest had not flushed. */
export async function lostLines(client: ApiClient, volumeId: string): Promise<string[]> {
  try {
    const changes = await client.list('/v1/changes', changeSchema, { volumeId }, NEWEST_CHANGES);
    return changes.flatMap(({ changeId: id, outage }) =>
      outage?.unflushedLost ? ['', `unflushed writes, ${timeText(outage.fromMs)} (${id}): ${unflushedText}`] : [],
    );
  } catch (error) {
    if (error instanceof ApiError) return ['', `whether unflushed writes were lost is not known: ${error.message}`];
    throw error;
  }
}
