import { MAX_BYTES_PER_SECOND, MAX_IOPS, type QosLimits } from '@flexbso/contracts';

/** A copy reads in pieces of 64 KiB or more, so this many bytes of its rate cost at most one operation of the head's. */
const COPY_BYTES_PER_OPERATION = 64 * 1024;

const keys = [
  'iopsTotal',
  'iopsRead',
  'iopsWrite',
  'iopsTotalBurst',
  'iopsReadBurst',
  'iopsWriteBurst',
  'bytesPerSecondTotal',
  'bytesPerSecondRead',
  'bytesPerSecondWrite',
  'bytesPerSecondTotalBurst',
  'bytesPerSecondReadBurst',
  'bytesPerSecondWriteBurst',
] as const satisfies readonly (keyof QosLimits)[];

/** What a copy takes while it runs, at most: of the head that it reads through, and of each pool that it reads or writes. */
export interface CopyRate {
  readonly iops: number;
  readonly bytesPerSecond: number;
}

export function copyRateOf(copyBytesPerSecond: number): CopyRate {
  return { iops: Math.ceil(copyBytesPerSecond / COPY_BYTES_PER_OPERATION), bytesPerSecond: copyBytesPerSecond };
}

/**
 * The tenant's limits with room for a copy that reads through the head at `copyBytesPerSecond`, so that
 * the guest keeps its share. Limits on writes alone stay: the copy's writes do not pass the head.
 */
export function widenedLimits(limits: QosLimits, copyBytesPerSecond: number): QosLimits {
  const copy = copyRateOf(copyBytesPerSecond);
  const widened: QosLimits = {};
  for (const key of keys) {
    const limit = limits[key];
    if (limit === undefined) continue;
    const isBytes = key.startsWith('bytes');
    const room = key.includes('Write') ? 0 : isBytes ? copy.bytesPerSecond : copy.iops;
    widened[key] = Math.min(limit + room, isBytes ? MAX_BYTES_PER_SECOND : MAX_IOPS);
  }
  return widened;
}
