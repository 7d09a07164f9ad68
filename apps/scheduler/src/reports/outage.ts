import type { Outage } from '@flexbso/contracts';
import type { Deciding, Draft } from '../changes/draft.js';
import { announceVolume } from '../changes/saga.js';
import { healOf } from '../volumes/proposal.js';

/**
 * Records, once, that the I/O of a volume was away until its card had built it again: a change of its own, over when
 * it is known, which stands beside whatever change is under way.
 */
export function noteOutage(draft: Draft, outage: Outage | null, deciding: Deciding): void {
  const { volume } = draft;
  if (outage === null || outage.untilMs <= (volume.lastOutageUntilMs ?? 0)) return;
  volume.lastOutageUntilMs = outage.untilMs;
  const heal = healOf(volume, outage, draft.change, deciding);
  draft.healed.push(heal);
  const { fromMs, untilMs, fromIsExact, guestMustReset, unflushedLost } = outage;
  announceVolume(draft, 'interrupted', {
    changeId: heal.changeId,
    awayMs: untilMs - fromMs,
    awayMsIsExact: fromIsExact,
    guestMustReset,
  });
  if (unflushedLost)
    announceVolume(draft, 'unflushed-writes-lost', { changeId: heal.changeId, goneAtMs: fromMs, todo: REPAIR });
}

const REPAIR =
  'what the guest wrote before and had not flushed is lost, though a flush since then may have succeeded: check its file systems, or restart it; a move to other pools copies the volume flat, which keeps it from happening again';
