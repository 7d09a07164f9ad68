import type { Aggregate } from '../changes/draft.js';
import { exactReservations, formerReservations } from '../placement/volume-reservations.js';
import type { Difference } from './differences.js';
import { type Asking, emptyPlan, newChange, type Proposal, type World } from './proposal.js';
import type { VolumeWant } from './volume-record.js';

/**
 * What is the scheduler's alone, as labels and demands are, and limits of a volume that no card shows: a new generation,
 * which is settled as soon as it is written.
 */
export function withoutWork(
  { deciding }: World,
  present: Aggregate,
  want: VolumeWant,
  differences: Difference[],
  asking: Asking,
  kind: 'change' | 'detach' | 'attach' = 'change',
): Proposal {
  const generation = present.volume.generation + (differences.length > 0 ? 1 : 0);
  const volume = { ...present.volume, want, generation, appliedGeneration: generation, settledGeneration: generation };
  const about = {
    kind,
    differences,
    fromGeneration: present.volume.generation,
    toGeneration: generation,
    plan: emptyPlan,
    from: present.volume.want,
  };
  const change = {
    ...newChange(volume, { ...about, differences }, asking, deciding),
    state: 'settled' as const,
    appliedAtMs: deciding.nowMs,
    settledAtMs: deciding.nowMs,
  };
  const reservations = [
    ...exactReservations(volume, present.legs),
    ...formerReservations(volume, present.reservations),
  ];
  return { volume, change, legs: present.legs, reservations };
}
