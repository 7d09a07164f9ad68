import type { ObservedVolume, PlannedPoolStep, PlannedStep } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type PlannedVolume,
  type PoolStepHandlers,
  applyCardStep,
  expectedObservation,
  handlePoolStep,
  planChange,
  undoCardStep,
} from './index.js';
import { CARD, capable, changeArbitrary, swapArbitrary } from './testing/arbitraries.js';

const runs = { numRuns: 60 };

interface Leg {
  readonly legId: string;
  readonly sizeBytes: number;
  /** Null: it is not served. */
  readonly epoch: number | null;
}
/** What the whole of a change works on: the card's data plane, and the legs on all pools. */
interface Everything {
  readonly card: ObservedVolume;
  readonly legs: readonly Leg[];
}

function whenSettled(volume: PlannedVolume): Everything {
  const legs = volume.stack.legs.map(({ legId, sizeBytes, epoch }) => ({ legId, sizeBytes, epoch }));
  return { card: expectedObservation(volume), legs };
}

type Change = (legs: readonly Leg[]) => readonly Leg[];
const without =
  (legId: string): Change =>
  (legs) =>
    legs.filter((leg) => leg.legId !== legId);
const changed =
  (legId: string, difference: Partial<Leg>): Change =>
  (legs) =>
    legs.map((leg) => (leg.legId === legId ? { ...leg, ...difference } : leg));

const onPool: PoolStepHandlers<Change> = {
  'create-leg':
    ({ legId, sizeBytes }) =>
    (legs) => [...legs, { legId, sizeBytes, epoch: null }],
  'serve-leg': ({ legId, epoch }) => changed(legId, { epoch }),
  'grow-leg': ({ legId, sizeBytes }) => changed(legId, { sizeBytes }),
  'fence-leg': ({ legId, epoch }) => changed(legId, { epoch }),
  'stop-serving-leg': ({ legId }) => changed(legId, { epoch: null }),
  'delete-leg': ({ legId }) => without(legId),
};

function apply(seen: Everything, planned: PlannedStep): Everything {
  return isOfPool(planned)
    ? { ...seen, legs: handlePoolStep(onPool, planned.step)(seen.legs) }
    : { ...seen, card: applyCardStep(seen.card, planned.step) };
}

const isOfPool = (planned: PlannedStep): planned is PlannedPoolStep => planned.actor.role === 'pool';

function undo(seen: Everything, planned: PlannedStep): Everything {
  if (planned.undo === null) return seen;
  if (!isOfPool(planned)) return { ...seen, card: undoCardStep(seen.card, planned.step) };
  const { legId } = planned.step;
  if (planned.undo === 'stop-serving-leg') return { ...seen, legs: changed(legId, { epoch: null })(seen.legs) };
  if (planned.undo === 'delete-leg') return { ...seen, legs: without(legId)(seen.legs) };
  throw new Error(`no pool undoes by ${planned.undo}`);
}

function stepsOf(from: PlannedVolume, to: PlannedVolume): PlannedStep[] {
  const poolCapabilities = new Map(to.stack.legs.map(({ poolId }) => [poolId, capable()]));
  const planned = planChange({ cardId: CARD, cardCapabilities: capable(), from, to, poolCapabilities });
  if (!planned.ok) throw new Error(planned.problem.detail);
  return planned.plan.steps;
}

const through = (start: Everything, steps: readonly PlannedStep[]) => steps.reduce(apply, start);
const prefixes = (steps: readonly PlannedStep[]) => steps.map((_, index) => steps.slice(0, index + 1));

describe('the whole plan of a change, on its card and its pools', () => {
  it('ends in the wanted stack, with the legs of the old one gone and no others', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        expect(through(whenSettled(from), stepsOf(from, to))).toEqual(whenSettled(to));
      }),
      runs,
    );
  });

  it('is undone to the old stack from every prefix before the cut-over, with every leg as it was', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const start = whenSettled(from);
        const steps = stepsOf(from, to);
        const cutOver = steps.findIndex((step) => step.cutOver);
        for (const prefix of prefixes(steps.slice(0, cutOver)))
          expect(prefix.reduceRight(undo, through(start, prefix))).toEqual(start);
      }),
      runs,
    );
  });

  it('destroys nothing before the cut-over, and last whatever it destroys', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const steps = stepsOf(from, to);
        const cutOver = steps.findIndex((step) => step.cutOver);
        expect(steps.slice(0, cutOver).flatMap(({ destroys }) => destroys)).toEqual([]);
        const firstLoss = steps.findIndex(({ destroys }) => destroys.length > 0);
        expect(steps.slice(firstLoss).every(({ actor }) => actor.role === 'pool')).toBe(true);
      }),
      runs,
    );
  });

  it('has nothing to do when the volume is already what is wanted', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ to }) => {
        expect(stepsOf(to, to)).toEqual([]);
      }),
      runs,
    );
  });
});
