import { joinedPlan, lackOf } from '@flexbso/stack';
import type { ChangeRecord } from '../changes/change-record.js';
import type { Aggregate } from '../changes/draft.js';
import type { LegRecord } from '../legs/leg-record.js';
import { planReservations } from '../placement/plan-reservations.js';
import { exactReservations, formerReservations } from '../placement/volume-reservations.js';
import { keptGenerations } from '../snapshots/kept-stacks.js';
import { boundPlan } from './bound-plan.js';
import type { Difference } from './differences.js';
import { plannedVolume } from './planned.js';
import type { Proposal } from './proposal.js';
import type { VolumeWant } from './volume-record.js';

/** One change of the two, the second of which begins where the first ends: with one plan, and what is held from the beginning. */
export function changeOfStages(
  present: Aggregate,
  first: Proposal,
  second: Proposal,
  differences: Difference[],
  copyBytesPerSecond: number,
): ChangeRecord {
  const { volume } = present;
  const { want, generation } = second.volume;
  const kept = keptGenerations(want, volume.snapshots);
  const added = second.legs.filter((leg) => leg.stackGeneration === want.stackGeneration);
  const frozen = present.legs.filter((leg) => kept.has(leg.stackGeneration));
  const after = [
    ...exactReservations(second.volume, [...frozen, ...added]),
    ...formerReservations(volume, present.reservations),
  ];
  const asPlanned = (of: VolumeWant, legs: LegRecord[]) => plannedVolume(volume, of, legs, copyBytesPerSecond);
  const lacksAfter = lackOf(asPlanned(volume.want, present.legs), asPlanned(want, added));
  const plan = {
    ...joinedPlan(first.change.plan, second.change.plan, lacksAfter),
    reservations: planReservations({ before: present.reservations, during: second.reservations, after }),
  };
  const about = { ...first.change, differences, toGeneration: generation };
  return {
    ...about,
    plan: boundPlan(plan, about, { ...first.volume, want }),
    next: { want, card: second.change.plan.card, isBegun: false },
  };
}
