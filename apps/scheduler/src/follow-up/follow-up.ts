import type { Caller, VolumePatch } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import type { ChangeRecord } from '../changes/change-record.js';
import type { VolumeWant } from '../volumes/volume-record.js';

/** What is wanted of a volume as soon as the change that is under way is over. */
export interface FollowUp {
  /** As it is shown until it begins, under the id that it keeps. */
  change: ChangeRecord;
  patch: VolumePatch;
  /** A new key is made, whatever key the volume has by then. */
  isRekeyed: boolean;
  caller: Caller;
}

/**
 * A patch of a volume whose change may be taken back before it: what that change makes different, and what the patch
 * does. Where both name a thing, the patch is right. `wanted` is what the change leads to, with `legCount` legs.
 */
export function wholeWish(change: ChangeRecord, wanted: VolumeWant, legCount: number, patch: VolumePatch): VolumePatch {
  const { rekey: _, ...own } = patch;
  // What was cancelled, or failed, nobody wants any more.
  if (change.from === null || change.cancel !== null || change.reverting) return own;
  const isAcknowledged = patch.stack === undefined && patch.rekey === undefined && change.kind === 'change';
  return {
    ...differenceBetween(change.from, wanted),
    ...poolsOf(change, change.from, wanted, legCount),
    ...(change.differences.includes('key') && change.from.keyRef !== null
      ? { rekey: { from: change.from.keyRef } }
      : {}),
    ...(isAcknowledged ? { acknowledgeSnapshots: true as const } : {}),
    ...own,
  };
}

function differenceBetween(from: VolumeWant, to: VolumeWant): VolumePatch {
  const [redundantBefore, redundant] = [from.alwaysRedundant ?? false, to.alwaysRedundant ?? false];
  return {
    ...(isSame(from.labels, to.labels) ? {} : { labels: to.labels }),
    ...(from.sizeBytes === to.sizeBytes ? {} : { sizeBytes: to.sizeBytes }),
    ...(isSame(from.stack, to.stack) ? {} : { stack: to.stack }),
    ...(redundantBefore === redundant ? {} : { alwaysRedundant: redundant }),
    ...(isSame(from.qos, to.qos) ? {} : { qos: to.qos }),
  };
}

/** A healing names the pools that are sound, which nobody has asked for. */
function poolsOf({ kind, differences }: ChangeRecord, from: VolumeWant, to: VolumeWant, legCount: number): VolumePatch {
  const isNamed = !isSame(from.placement.poolIds, to.placement.poolIds);
  const isMoved = kind === 'change' && (isNamed || differences.includes('pools'));
  return isMoved ? { placement: { poolIds: to.placement.poolIds?.slice(0, legCount) ?? [] } } : {};
}

/** The wish as a patch of what the volume has come to be. One that gets its first key needs no other instead of it. */
export function patchOf({ patch, isRekeyed }: FollowUp, { keyRef }: VolumeWant): VolumePatch {
  const { rekey: inherited, ...rest } = patch;
  const rekey = isRekeyed && keyRef !== null ? { from: keyRef } : inherited;
  return rekey === undefined || keyRef === null ? rest : { ...rest, rekey };
}
