import { type ArmedFault, faultKinds, type FaultKind, type StepKind } from '../faults/fault.js';
import { stepKinds, whyNever } from '../faults/cells.js';
import type { Chance } from '../time/chance.js';

/** Once is as much as a run is still about volumes: a restored database stops whatever is under way. */
const restoreOneIn = 8;
/** Few: a run comes to some steps once or twice only. */
const MAX_SKIP = 3;

/** Every fault that can strike at a step, once each. */
const cellsOf = (step: StepKind) =>
  faultKinds
    .filter((kind) => kind !== 'database-restored' && whyNever(step, kind) === null)
    .map((kind) => ({ step, kind }));

/** One run in many comes to these at all. */
const seldom: readonly StepKind[] = ['grow-leg', 'build-window', 'build-compression'];
const cells = [...stepKinds, ...seldom, ...seldom].flatMap(cellsOf);

/** Only where a card is away for long do runs come to these, and to few of them. */
const fencing = cellsOf('fence-leg');
const MAX_SKIP_OF_FENCING = 1;

const fault = (kind: FaultKind, step: StepKind | null, skip: number): ArmedFault => ({ kind, step, skip });

/** What goes wrong in a run: any time, within a copy, and at steps that are picked evenly, so that rare ones are met too. */
export function faultsOf(chance: Chance, isCardAway: boolean): ArmedFault[] {
  const aimed = isCardAway ? fencing : cells;
  const often = faultKinds.filter((kind) => kind !== 'database-restored');
  return [
    ...Array.from({ length: 3 }, () => fault(chance.pick(often), null, chance.int(0, 60))),
    fault(chance.pick(often), 'copy', chance.int(0, 3)),
    ...[aimed, aimed, cells].map((among) => {
      const { kind, step } = chance.pick(among);
      return fault(kind, step, chance.int(0, among === fencing ? MAX_SKIP_OF_FENCING : MAX_SKIP));
    }),
    ...(chance.isOneIn(restoreOneIn) ? [restored(chance, isCardAway)] : []),
  ];
}

function restored(chance: Chance, isCardAway: boolean): ArmedFault {
  if (isCardAway && chance.isOneIn(2))
    return fault('database-restored', 'fence-leg', chance.int(0, MAX_SKIP_OF_FENCING));
  return fault('database-restored', chance.pick(stepKinds), chance.int(0, MAX_SKIP));
}
