import { type ObservedVolume, type PlannedCardStep, plannedCardStepSchema } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CardPlanInput,
  type PlannedVolume,
  applyCardStep,
  canonicalDigest,
  digestOf,
  expectedObservation,
  isApplied,
  isSettled,
  nothingObserved,
  planCard,
  undoCardStep,
} from './index.js';
import {
  CARD,
  VOLUME,
  canGrowOn,
  capable,
  changeArbitrary,
  layersArbitrary,
  qosArbitrary,
  stackOfLayers,
  swapArbitrary,
  volume,
} from './testing/arbitraries.js';

/** Small on purpose: the space of stacks is small, and each run checks every prefix. */
const runs = { numRuns: 60 };

function planned(
  observed: ObservedVolume,
  desired: PlannedVolume,
  difference: Partial<CardPlanInput> = {},
): PlannedCardStep[] {
  const plan = planCard({
    cardId: CARD,
    observed,
    desired,
    appliedStackGeneration: 1,
    capabilities: capable(),
    ...difference,
  });
  if (!plan.ok) throw new Error(`refused: ${plan.problem.detail}`);
  return plan.steps;
}

function after(observed: ObservedVolume, steps: readonly PlannedCardStep[]): ObservedVolume {
  return steps.reduce((seen, { step }) => applyCardStep(seen, step), observed);
}

function undone(observed: ObservedVolume, steps: readonly PlannedCardStep[]): ObservedVolume {
  return steps.filter(({ undo }) => undo !== null).reduceRight((seen, { step }) => undoCardStep(seen, step), observed);
}

const prefixesOf = (steps: readonly PlannedCardStep[]) => steps.map((_, index) => steps.slice(0, index + 1));
// The header is on the legs and not in what is open, so formatting is planned again and finds it done.
const withoutFormat = (steps: readonly PlannedCardStep[]) =>
  steps.map(({ step }) => step).filter(({ kind }) => kind !== 'format-encryption');
const createArbitrary = fc
  .tuple(layersArbitrary, qosArbitrary)
  .map(([layers, qos]) => volume(stackOfLayers(1, layers, 64 * 1024 ** 2), { qos }));

describe('a plan for a card', () => {
  it('ends in the wanted stack for any pair of valid stacks, with nothing of the old left', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const seen = after(expectedObservation(from), planned(expectedObservation(from), to));
        expect(seen).toEqual(expectedObservation(to));
        expect(isSettled(seen, to)).toBe(true);
      }),
      runs,
    );
  });

  it('makes a new volume from nothing, and nothing of a volume that is to go', () => {
    fc.assert(
      fc.property(createArbitrary, (wanted) => {
        const seen = after(
          nothingObserved(VOLUME),
          planned(nothingObserved(VOLUME), wanted, { appliedStackGeneration: null }),
        );
        expect(seen).toEqual(expectedObservation(wanted));
        const tombstone = { ...wanted, tombstone: true };
        expect(after(seen, planned(seen, tombstone))).toEqual(nothingObserved(VOLUME));
        expect(planned(nothingObserved(VOLUME), tombstone)).toEqual([]);
      }),
      runs,
    );
  });

  it('has no steps when planned again from its result', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const seen = after(expectedObservation(from), planned(expectedObservation(from), to));
        expect(planned(seen, to, { appliedStackGeneration: to.stack.stackGeneration })).toEqual([]);
      }),
      runs,
    );
  });

  it('has exactly one cut-over when the stack changes and none otherwise, with nothing undone from it on', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const steps = planned(expectedObservation(from), to);
        const isSwap = from.stack.stackGeneration !== to.stack.stackGeneration;
        const cutOver = steps.findIndex((step) => step.cutOver);
        expect(steps.filter((step) => step.cutOver)).toHaveLength(isSwap ? 1 : 0);
        expect(isSwap && steps.slice(cutOver).some(({ undo }) => undo !== null)).toBe(false);
        for (const step of steps) expect(plannedCardStepSchema.safeParse(step).success).toBe(true);
      }),
      runs,
    );
  });

  it('ends in the old stack after every prefix before the cut-over followed by its undos', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to);
        for (const prefix of prefixesOf(
          steps.slice(
            0,
            steps.findIndex(({ cutOver }) => cutOver),
          ),
        )) {
          expect(undone(after(start, prefix), prefix)).toEqual(start);
        }
      }),
      runs,
    );
  });

  it('leaves nothing of a new volume after every prefix followed by its undos', () => {
    fc.assert(
      fc.property(createArbitrary, (wanted) => {
        const steps = planned(nothingObserved(VOLUME), wanted, { appliedStackGeneration: null });
        for (const prefix of prefixesOf(steps))
          expect(undone(after(nothingObserved(VOLUME), prefix), prefix)).toEqual(nothingObserved(VOLUME));
      }),
      runs,
    );
  });

  it('is completed from every prefix that holds the cut-over, and cuts over no second time', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to);
        for (const prefix of prefixesOf(steps).slice(steps.findIndex(({ cutOver }) => cutOver))) {
          const seen = after(start, prefix);
          const rest = planned(seen, to, { appliedStackGeneration: to.stack.stackGeneration });
          expect(rest.some(({ cutOver }) => cutOver)).toBe(false);
          expect(after(seen, rest)).toEqual(expectedObservation(to));
        }
      }),
      runs,
    );
  });

  it('goes on with exactly the rest from every prefix, whatever was already built', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to);
        for (const prefix of prefixesOf(steps)) {
          const cutOver = prefix.some((step) => step.cutOver);
          const rest = planned(after(start, prefix), to, {
            appliedStackGeneration: cutOver ? to.stack.stackGeneration : 1,
          });
          expect(withoutFormat(rest)).toEqual(withoutFormat(steps.slice(prefix.length)));
        }
      }),
      runs,
    );
  });

  it('goes back to the old stack from every prefix before the cut-over when that is wanted again', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const start = expectedObservation(from);
        const steps = planned(start, to);
        for (const prefix of prefixesOf(
          steps.slice(
            0,
            steps.findIndex(({ cutOver }) => cutOver),
          ),
        )) {
          const seen = after(start, prefix);
          expect(after(seen, planned(seen, from))).toEqual(start);
        }
      }),
      runs,
    );
  });

  it('joins a copy that runs, and cleans up after one that failed before it starts anew', () => {
    fc.assert(
      fc.property(
        swapArbitrary,
        fc.constantFrom('running' as const, 'ready' as const, 'failed' as const),
        ({ from, to }, state) => {
          const start = expectedObservation(from);
          const steps = planned(start, to);
          const copied = after(
            start,
            steps.slice(
              0,
              steps.findIndex(({ step }) => step.kind === 'cut-over'),
            ),
          );
          const seen: ObservedVolume = { ...copied, copy: copied.copy && { ...copied.copy, state } };
          const rest = planned(seen, to);
          const kinds = rest.map(({ step }) => step.kind);
          expect(after(seen, rest)).toEqual(expectedObservation(to));
          expect(kinds.includes('open-leg')).toBe(state === 'failed');
          expect(kinds[0]).toBe({ running: 'copy', ready: 'cut-over', failed: 'close-stack' }[state]);
        },
      ),
      runs,
    );
  });

  it('lets a newer generation win in the middle of a swap', () => {
    fc.assert(
      fc.property(swapArbitrary, layersArbitrary, ({ from, to }, layers) => {
        const start = expectedObservation(from);
        // A guest that may have seen the new size never loses it, and onto a stack of fixed size nothing grows.
        const { sizeBytes } = to;
        const isGrown = sizeBytes > from.sizeBytes;
        const fitting = isGrown && !canGrowOn(layers) ? [] : layers;
        const newest = volume(stackOfLayers(3, fitting, sizeBytes), { sizeBytes });
        for (const prefix of prefixesOf(planned(start, to))) {
          const seen = after(start, prefix);
          const rest = planned(seen, newest, { appliedStackGeneration: prefix.some(({ cutOver }) => cutOver) ? 2 : 1 });
          expect(after(seen, rest)).toEqual(expectedObservation(newest));
        }
      }),
      runs,
    );
  });

  it('copies only into what shows exactly the size of the head, and grows the head only past the cut-over', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const steps = planned(expectedObservation(from), to);
        const kinds = steps.map(({ step }) => step.kind);
        const copying = after(expectedObservation(from), steps.slice(0, kinds.indexOf('copy')));
        const target = copying.stacks.find(({ stackGeneration }) => stackGeneration === 2);
        expect(target?.windowBytes ?? to.sizeBytes).toBe(copying.head?.sizeBytes);
        const isGrown = to.sizeBytes > from.sizeBytes;
        expect(kinds.includes('build-window')).toBe(isGrown);
        expect(kinds.indexOf('grow-head') > kinds.indexOf('cut-over')).toBe(isGrown);
      }),
      runs,
    );
  });

  it('never formats a stack that carried the guest, and is applied only when all of it is there', () => {
    fc.assert(
      fc.property(createArbitrary, (wanted) => {
        const rebuild = planned(nothingObserved(VOLUME), wanted, { appliedStackGeneration: 1 });
        expect(rebuild.some(({ step }) => step.kind === 'format-encryption')).toBe(false);
        expect(after(nothingObserved(VOLUME), rebuild)).toEqual(expectedObservation(wanted));
        for (const prefix of prefixesOf(rebuild).slice(0, -1))
          expect(isApplied(after(nothingObserved(VOLUME), prefix), wanted)).toBe(false);
      }),
      runs,
    );
  });

  it('has a digest that does not depend on the order of keys, and depends on that of steps', () => {
    fc.assert(
      fc.property(swapArbitrary, ({ from, to }) => {
        const steps = planned(expectedObservation(from), to);
        expect(canonicalDigest(withKeysReversed(steps))).toBe(digestOf(steps));
        expect(digestOf(steps.toReversed())).not.toBe(digestOf(steps));
      }),
      runs,
    );
  });
});

function withKeysReversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withKeysReversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, withKeysReversed(inner)]),
  );
}
