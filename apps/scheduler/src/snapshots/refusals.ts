import { ProblemError, type VolumePatch } from '@flexbso/contracts';
import type { Difference } from '../volumes/differences.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';

const isEncrypted = ({ stack }: Pick<VolumeWant, 'stack'>) => stack.layers.some(({ kind }) => kind === 'encryption');

function listed({ snapshots }: VolumeRecord): string {
  return snapshots.map(({ name, snapshotId }) => `${name} (${snapshotId})`).join(', ');
}

/**
 * What an encryption or a new key is to end lives on in snapshots: whoever asks for it says that this is known.
 * @throws ProblemError `snapshots-keep-old-state` with all snapshots that do
 */
export function refuseUnacknowledged(
  volume: VolumeRecord,
  wanted: VolumeWant,
  differences: readonly Difference[],
  { acknowledgeSnapshots }: VolumePatch,
): void {
  const isNewlyEncrypted = isEncrypted(wanted) && !isEncrypted(volume.want);
  const isRekeyed = differences.includes('key');
  if (volume.snapshots.length === 0 || acknowledgeSnapshots || (!isNewlyEncrypted && !isRekeyed)) return;
  const what = isRekeyed ? 'stay readable with the key that is to be replaced' : 'stay as they are, not all encrypted';
  throw new ProblemError({
    code: 'snapshots-keep-old-state',
    detail: `snapshots of volume ${volume.name} ${what}: ${listed(volume)}; delete them first, or say that this is known (acknowledgeSnapshots)`,
    facts: { snapshotIds: volume.snapshots.map(({ snapshotId }) => snapshotId) },
  });
}

/**
 * A snapshot lies on legs of its volume. Of one that nobody can attach none can be deleted before: they go with it, and the
 * plan names their legs. @throws ProblemError `has-snapshots` with all of them
 */
export function refuseWithSnapshots(volume: VolumeRecord): void {
  if (volume.snapshots.length === 0 || volume.want.lost) return;
  throw new ProblemError({
    code: 'has-snapshots',
    detail: `volume ${volume.name} has snapshots, which would go with it: ${listed(volume)}; delete them first`,
    facts: { snapshotIds: volume.snapshots.map(({ snapshotId }) => snapshotId) },
  });
}
