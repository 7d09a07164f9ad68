import { ProblemError, type VolumePatch } from '@flexbso/contracts';
import type { Difference } from '../volumes/differences.js';
import { stacksOfSnapshot } from './kept-stacks.js';
import type { SnapshotRecord } from './snapshot-record.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';

const isEncrypted = ({ stack }: Pick<VolumeWant, 'stack'>) => stack.layers.some(({ kind }) => kind === 'encryption');

function listed(snapshots: readonly SnapshotRecord[]): string {
  return snapshots.map(({ name, snapshotId }) => `${name} (${snapshotId})`).join(', ');
}

/**
 * What an encryption or a new key is to end lives on in snapshots: whoever asks for it says that this is known.
 * @throws ProblemError `snapshots-keep-old-state` with the snapshots of which that is so
 */
export function refuseUnacknowledged(
  volume: VolumeRecord,
  wanted: VolumeWant,
  differences: readonly Difference[],
  { acknowledgeSnapshots }: VolumePatch,
): void {
  const isNewlyEncrypted = isEncrypted(wanted) && !isEncrypted(volume.want);
  const isRekeyed = differences.includes('key');
  if (acknowledgeSnapshots || (!isNewlyEncrypted && !isRekeyed)) return;
  // The volume's own key opens no snapshot, since it runs on an overlay that has another: a new one changes none.
  const keeping = isRekeyed ? volume.snapshots : volume.snapshots.filter(isInTheClear);
  if (keeping.length === 0) return;
  const what = isRekeyed
    ? 'get no new key: each stays readable with the keys that it has, or with none where it is not encrypted'
    : 'stay as they are, not encrypted or not all of it';
  throw new ProblemError({
    code: 'snapshots-keep-old-state',
    detail: `snapshots of volume ${volume.name} ${what}: ${listed(keeping)}; delete them first, or say that this is known (acknowledgeSnapshots)`,
    facts: { snapshotIds: keeping.map(({ snapshotId }) => snapshotId) },
  });
}

/** It reads through what it lies on, so that counts too. */
const isInTheClear = (snapshot: SnapshotRecord) => stacksOfSnapshot(snapshot).some((stack) => !isEncrypted(stack));

/**
 * A snapshot lies on legs of its volume. Of one that nobody can attach none can be deleted before: they go with it, and the
 * plan names their legs. @throws ProblemError `has-snapshots` with all of them
 */
export function refuseWithSnapshots(volume: VolumeRecord): void {
  if (volume.snapshots.length === 0 || volume.want.lost) return;
  throw new ProblemError({
    code: 'has-snapshots',
    detail: `volume ${volume.name} has snapshots, which would go with it: ${listed(volume.snapshots)}; delete them first`,
    facts: { snapshotIds: volume.snapshots.map(({ snapshotId }) => snapshotId) },
  });
}
