import type { Degraded } from '@flexbso/contracts';
import type { Aggregate, Draft } from '../changes/draft.js';
import { announceVolume } from '../changes/saga.js';
import type { LegRecord } from '../legs/leg-record.js';
import { borrowedLegs, carriersOf } from '../snapshots/kept-stacks.js';
import type { VolumeRecord } from '../volumes/volume-record.js';

/**
 * Which of the legs that carry a volume are known to be bad, and since when; null: none is. A leg that missed a write
 * stays one of them when it is back: it is outvoted where it is behind, and only a new one is whole again. A clone is
 * carried by its snapshot's legs as well; the snapshot's volume is judged by what its own card finds.
 */
export function degradedOf(
  { legFaults, want }: Pick<VolumeRecord, 'legFaults' | 'want'>,
  legs: readonly LegRecord[],
): Degraded | null {
  const carriers = carriersOf(want);
  const isCarrying = ({ role, stackGeneration }: LegRecord) =>
    role === 'current' || (role === 'frozen' && carriers.includes(stackGeneration));
  const carrying = new Set([...legs.filter(isCarrying), ...borrowedLegs(want)].map(({ legId }) => legId));
  const faults = legFaults.filter(({ legId, repaired }) => !repaired && carrying.has(legId));
  if (faults.length === 0) return null;
  const legIds = [...new Set(faults.map(({ legId }) => legId))];
  return { sinceMs: Math.min(...faults.map(({ firstAtMs }) => firstAtMs)), legIds };
}

/** Says that a volume has become degraded, or healthy again, by what was decided. */
export function sayHealth(before: Aggregate, draft: Draft): void {
  const was = degradedOf(before.volume, before.legs);
  const now = degradedOf(draft.volume, draft.legs);
  if (was === null && now !== null) announceVolume(draft, 'degraded', { legIds: [...now.legIds] });
  if (was !== null && now === null && !draft.volumeGone) announceVolume(draft, 'healthy');
}
