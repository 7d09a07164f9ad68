import type { ObservedVolume, PlannedCardStep } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type PlannedVolume,
  applyCardStep,
  expectedObservation,
  isSettled,
  planCard,
  undoCardStep,
  widenedLimits,
} from './index.js';
import { CARD, capable, qosArbitrary, swapArbitrary } from './testing/arbitraries.js';

const runs = { numRuns: 60 };

function planned(observed: ObservedVolume, desired: PlannedVolume): PlannedCardStep[] {
  const plan = planCard({ cardId: CARD, observed, desired, appliedStackGeneration: 1, capabilities: capable() });
  if (!plan.ok) throw new Error(`refused: ${plan.problem.detail}`);
  return plan.steps;
}

const after = (observed: ObservedVolume, steps: readonly PlannedCardStep[]) =>
  steps.reduce((seen, { step }) => applyCardStep(seen, step), observed);

/** A swap in the middle of which other limits are asked for, twice. */
const amendedArbitrary = fc
  .record({ swap: swapArbitrary, first: qosArbitrary, second: qosArbitrary })
  .map(({ swap: { from, to }, first, second }) => ({
    from,
    to,
    first: { ...to, qos: first, limitsAtOnce: true },
    second: { ...to, qos: second, limitsAtOnce: true },
  }));

/** As many steps of the plan as came to their end, and what is observed then. */
function interrupted(observed: ObservedVolume, desired: PlannedVolume, share: number) {
  const steps = planned(observed, desired);
  return after(observed, steps.slice(0, Math.floor(share * (steps.length + 1))));
}

/** The plan's steps until the guest is carried by the new stack. */
function untilCutOver(steps: readonly PlannedCardStep[]): PlannedCardStep[] {
  const cutOver = steps.findIndex((step) => step.cutOver);
  return cutOver === -1 ? [] : steps.slice(0, cutOver);
}

describe('limits that are asked for in the middle of a swap', () => {
  it('are in force at its end wherever they were asked for, the last of them alone', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(amendedArbitrary, share, share, ({ from, to, first, second }, one, two) => {
        const atFirst = interrupted(expectedObservation(from), to, one);
        const atSecond = interrupted(atFirst, first, two);
        const seen = after(atSecond, planned(atSecond, second));
        expect(seen).toEqual(expectedObservation(second));
        expect(isSettled(seen, second)).toBe(true);
      }),
      runs,
    );
  });

  it('hold while the rest of the copy runs, widened by its rate', () => {
    fc.assert(
      fc.property(amendedArbitrary, ({ from, to, first }) => {
        const begun = after(expectedObservation(from), untilCutOver(planned(expectedObservation(from), to)));
        const running = { ...begun, copy: begun.copy && { ...begun.copy, state: 'running' as const } };
        const { head } = after(running, untilCutOver(planned(running, first)));
        expect(head?.qos ?? {}).toEqual(first.qos ?? {});
        expect(head?.widened).toBe(first.qos !== null);
      }),
      runs,
    );
  });

  it('are those that were there, or those that were asked for, when the swap is taken back', () => {
    fc.assert(
      fc.property(amendedArbitrary, fc.nat(), ({ from, to, first }, count) => {
        const old = expectedObservation(from);
        const begun = untilCutOver(planned(old, to));
        const made = begun.slice(0, count % (begun.length + 1));
        const more = untilCutOver(planned(after(old, made), first));
        const undoable = [...made, ...more].filter(({ undo }) => undo !== null);
        const seen = undoable.reduceRight(
          (observed, { step }) => undoCardStep(observed, step),
          after(after(old, made), more),
        );
        expect({ ...seen, head: null }).toEqual({ ...old, head: null });
        expect([from.qos ?? {}, first.qos ?? {}]).toContainEqual(seen.head?.qos ?? {});
        expect(seen.head?.widened).toBe(false);
      }),
      runs,
    );
  });

  it('are widened by as much as the copy takes, where the copy spends them', () => {
    fc.assert(
      fc.property(qosArbitrary, fc.integer({ min: 1024 ** 2, max: 2 ** 30 }), (limits, copyBytesPerSecond) => {
        for (const [key, widened] of Object.entries(widenedLimits(limits ?? {}, copyBytesPerSecond))) {
          const own = Object.entries(limits ?? {}).find(([name]) => name === key)?.[1] ?? 0;
          const room = key.includes('Write')
            ? 0
            : key.startsWith('bytes')
              ? copyBytesPerSecond
              : copyBytesPerSecond / 65_536;
          expect(widened).toBeGreaterThanOrEqual(own + Math.floor(room));
          expect(widened).toBeLessThanOrEqual(own + Math.ceil(room));
        }
      }),
      runs,
    );
  });
});
