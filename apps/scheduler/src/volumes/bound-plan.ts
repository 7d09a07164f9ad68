import type { Change, Plan } from '@flexbso/contracts';
import { canonicalDigest, digestOf } from '@flexbso/stack';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { VolumeRecord } from './volume-record.js';

/** As it follows from steps and books; what is different, and what binds, follows from the wish. */
export type PlanOfWork = Omit<Plan, 'differences'>;
type Wish = Pick<Change, 'kind' | 'differences' | 'fromGeneration' | 'toGeneration'>;

/**
 * The plan with a digest that holds for this wish alone: the same steps, or none, for another volume, snapshot or result
 * are another plan. `volume` is as it is to be, with its snapshots.
 */
export function boundPlan(plan: PlanOfWork, wish: Wish, volume: VolumeRecord): Plan {
  const { kind, fromGeneration, toGeneration } = wish;
  const { volumeId, cardId, functionId, want } = volume;
  const snapshots = volume.snapshots.map(({ snapshotId, name, state }) => ({ snapshotId, name, state }));
  const result = { volumeId, fromGeneration, toGeneration, cardId, functionId, want, snapshots };
  const { steps, destroys } = plan;
  return {
    ...plan,
    // What a deletion makes different is that there is no volume.
    differences: kind === 'delete' ? ['volume'] : wish.differences,
    digest: canonicalDigest({ steps: digestOf(steps), destroys, kind, result }),
  };
}

/** The plan of what ends these snapshots: who reads it knows them by name, whatever becomes of their legs. */
export function endingSnapshots(plan: PlanOfWork, snapshots: readonly SnapshotRecord[]): PlanOfWork {
  const names = snapshots.map(({ name, snapshotId }) => `snapshot ${name} (${snapshotId})`);
  return { ...plan, destroys: [...plan.destroys, ...names].toSorted() };
}
