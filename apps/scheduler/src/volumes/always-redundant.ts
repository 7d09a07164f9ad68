import { ProblemError, type VolumeSpec } from '@flexbso/contracts';
import { survivesALostLeg } from '@flexbso/stack';
import type { Difference } from './differences.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

/** @throws ProblemError `invalid-stack` for a new volume whose stack does not do what is demanded of it */
export function refuseUnmetDemand({ name, stack, alwaysRedundant }: VolumeSpec): void {
  if (!alwaysRedundant || survivesALostLeg(stack.layers)) return;
  throw new ProblemError({
    code: 'invalid-stack',
    detail: `volume ${name} is to be redundant at all times (alwaysRedundant), and a stack without raid1 or raid5f ends with any of its legs; add such a layer, or leave the demand out`,
    errors: [{ path: 'stack.layers', message: 'alwaysRedundant needs raid1 or raid5f' }],
  });
}

/**
 * A swap keeps redundancy: the old stack is whole until the cut-over, the new one from it on. So only the ends of a
 * change matter.
 *
 * @throws ProblemError `change-refused` for what leaves a volume without redundancy that demands it at all times
 */
export function refuseLackOfRedundancy(
  { name }: VolumeRecord,
  wanted: VolumeWant,
  differences: readonly Difference[],
): void {
  if (wanted.alwaysRedundant !== true) return;
  // What a restored database took over as it runs may lack what is demanded; other changes of it make nothing worse.
  const isStackAsked = differences.includes('stack') || differences.includes('alwaysRedundant');
  if (!isStackAsked || survivesALostLeg(wanted.stack.layers)) return;
  const detail = `${demandOf(name)}, and the stack that is asked for ends with any of its legs; ask for raid1 or raid5f, or lift the demand in the same change`;
  throw new ProblemError({ code: 'change-refused', detail, facts });
}

/**
 * A redundant stack grows by way of one leg. Where nothing is redundant yet, nothing is given up by that.
 *
 * @throws ProblemError `change-refused`
 */
export function refuseGrowthByOneLeg({ name, want: present }: VolumeRecord, wanted: VolumeWant): void {
  if (wanted.alwaysRedundant !== true || wanted.sizeBytes <= present.sizeBytes) return;
  if (!survivesALostLeg(present.stack.layers) || !survivesALostLeg(wanted.stack.layers)) return;
  const detail = `${demandOf(name)}, and it grows only by way of one leg, where redundancy is absent from the first cut-over to the second; lift the demand first, or leave the size as it is`;
  throw new ProblemError({ code: 'change-refused', detail, facts });
}

const facts = { demand: 'alwaysRedundant' };
const demandOf = (name: string) => `volume ${name} is to be redundant at all times (alwaysRedundant)`;
