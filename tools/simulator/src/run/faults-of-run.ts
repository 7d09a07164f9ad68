import { type CardStepKind, type PoolStepKind, cardStepSchema, poolStepSchema } from '@flexbso/contracts';
import { type ArmedFault, faultKinds, type FaultKind, type StepKind } from '../faults/fault.js';
import type { Chance } from '../time/chance.js';

const cardStepKinds: readonly CardStepKind[] = cardStepSchema.options.map((option) => option.shape.kind.value);
const poolStepKinds: readonly PoolStepKind[] = poolStepSchema.options.map((option) => option.shape.kind.value);
export const stepKinds: readonly StepKind[] = [...cardStepKinds, ...poolStepKinds];

/** Once is as much as a run is still about volumes: a restored database stops whatever is under way. */
const restoreOneIn = 8;
const MAX_SKIP = 12;

const fault = (kind: FaultKind, step: StepKind | null, skip: number): ArmedFault => ({ kind, step, skip });

/** What goes wrong in a run: any time, within a copy, and at steps that are picked evenly, so that rare ones are met too. */
export function faultsOf(chance: Chance): ArmedFault[] {
  const often = faultKinds.filter((kind) => kind !== 'database-restored');
  return [
    ...Array.from({ length: 3 }, () => fault(chance.pick(often), null, chance.int(0, 60))),
    fault(chance.pick(often), 'copy', chance.int(0, 3)),
    ...Array.from({ length: 3 }, () => fault(chance.pick(often), chance.pick(stepKinds), chance.int(0, MAX_SKIP))),
    ...(chance.isOneIn(restoreOneIn) ? [fault('database-restored', chance.pick(stepKinds), chance.int(0, 3))] : []),
  ];
}
