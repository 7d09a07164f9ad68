import { type ObservedVolume, observedVolumeSchema, type PlannedCardStep } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type PlannedVolume,
  applyCardStep,
  digestOf,
  expectedObservation,
  isSettled,
  nothingObserved,
  planCard,
  planChange,
  undoCardStep,
} from './index.js';
import { CARD, VOLUME, capable, overlayArbitrary } from './testing/arbitraries.js';
import { singleDifferences } from './testing/single-differences.js';

const runs = { numRuns: 60 };
type Applied = number | null;

function planOf(observed: ObservedVolume, desired: PlannedVolume, appliedStackGeneration: Applied) {
  return planCard({ cardId: CARD, observed, desired, appliedStackGeneration, capabilities: capable() });
}
function planned(observed: ObservedVolume, desired: PlannedVolume, applied: Applied): PlannedCardStep[] {
  const plan = planOf(observed, desired, applied);
  if (!plan.ok) throw new Error(`refused: ${plan.problem.detail}`);
  return plan.steps;
}
const after = (observed: ObservedVolume, steps: readonly PlannedCardStep[]) =>
  steps.reduce((seen, { step }) => applyCardStep(seen, step), observed);
const undone = (observed: ObservedVolume, steps: readonly PlannedCardStep[]) =>
  steps.filter(({ undo }) => undo !== null).reduceRight((seen, { step }) => undoCardStep(seen, step), observed);
const formats = (steps: readonly PlannedCardStep[]) => steps.filter(({ step }) => step.kind.startsWith('format'));
const isFormat = ({ step }: PlannedCardStep) => step.kind.startsWith('format');
const prefixesOf = (steps: readonly PlannedCardStep[]) => steps.map((_, index) => steps.slice(0, index + 1));
const generationOf = ({ stack }: PlannedVolume) => stack.stackGeneration;

/** As the planner would be given it: the values may be ones that no data plane has, their shape is right. */
const isObserved = (value: unknown): value is ObservedVolume => typeof value === 'object' && value !== null;

describe('a plan that makes or ends an overlay', () => {
  it('ends in what is wanted with exactly one cut-over, and has nothing to do after that', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to, how }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to, generationOf(from));
        const seen = after(start, steps);
        expect(seen).toEqual(expectedObservation(to));
        expect(isSettled(seen, to)).toBe(true);
        expect(planned(seen, to, generationOf(to))).toEqual([]);
        expect(steps.filter(({ cutOver }) => cutOver)).toHaveLength(1);
        const copies = steps.flatMap(({ step }) => (step.kind === 'copy' ? [step.commits ?? false] : []));
        expect(copies).toEqual({ take: [], commit: [true], flatten: [false] }[how]);
      }),
      runs,
    );
  });

  it('ends in the old stack when undone before its cut-over, or when that is wanted again', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to, generationOf(from));
        const cutOver = steps.findIndex((step) => step.cutOver);
        for (const prefix of prefixesOf(steps.slice(0, cutOver))) {
          const seen = after(start, prefix);
          expect(undone(seen, prefix)).toEqual(start);
          expect(after(seen, planned(seen, from, generationOf(from)))).toEqual(start);
        }
      }),
      runs,
    );
  });

  it('goes on with exactly the rest from wherever it stopped', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to, generationOf(from));
        for (const prefix of prefixesOf(steps)) {
          const isOver = prefix.some((step) => step.cutOver);
          const rest = planned(after(start, prefix), to, generationOf(isOver ? to : from));
          const withoutFormat = (some: readonly PlannedCardStep[]) =>
            some.filter((step) => !isFormat(step)).map(({ step }) => step);
          expect(withoutFormat(rest)).toEqual(withoutFormat(steps.slice(prefix.length)));
        }
      }),
      runs,
    );
  });

  it('opens all of a chain again after a reboot, and formats none of it', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to }) => {
        for (const wanted of [from, to]) {
          const steps = planned(nothingObserved(VOLUME), wanted, generationOf(wanted));
          for (const prefix of prefixesOf(steps)) {
            const seen = after(nothingObserved(VOLUME), prefix);
            const rest = planned(seen, wanted, generationOf(wanted));
            expect(formats(rest)).toEqual([]);
            expect(after(seen, rest)).toEqual(expectedObservation(wanted));
          }
        }
      }),
      runs,
    );
  });

  it('is another plan, or refused, for every observation that differs in a single field', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to }) => {
        const digestFor = (observed: ObservedVolume) => {
          const plan = planOf(observed, to, generationOf(from));
          return plan.ok ? digestOf(plan.steps) : plan.problem.code;
        };
        const accepted = digestFor(expectedObservation(from));
        const unnoticed = singleDifferences(observedVolumeSchema, expectedObservation(from))
          .filter(({ path }) => path !== 'exports[].uri')
          .filter(({ value }) => isObserved(value) && digestFor(value) === accepted)
          .map(({ path }) => path);
        expect(unnoticed).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it('deletes exactly the legs that nothing stands on any more, and none that is told to stay', () => {
    fc.assert(
      fc.property(overlayArbitrary, ({ from, to, how }) => {
        const deleted = (leaving?: []) => {
          const plan = planChange({
            cardId: CARD,
            cardCapabilities: capable(),
            from,
            to,
            poolCapabilities: new Map(),
            ...(leaving === undefined ? {} : { leaving }),
          });
          if (!plan.ok) throw new Error(plan.problem.detail);
          return plan.plan.steps.flatMap(({ step }) => (step.kind === 'delete-leg' ? [step.legId] : []));
        };
        expect(deleted([])).toEqual([]);
        const gone = how === 'take' ? [] : how === 'commit' ? [from.stack] : [from.stack, ...(from.bases ?? [])];
        expect(deleted()).toEqual(gone.flatMap(({ legs }) => legs.map(({ legId }) => legId)));
      }),
      runs,
    );
  });
});
