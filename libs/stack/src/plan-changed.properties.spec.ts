import { type ObservedVolume, observedVolumeSchema } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { type PlannedVolume, digestOf, expectedObservation, planCard } from './index.js';
import { CARD, capable, changeArbitrary } from './testing/arbitraries.js';
import { singleDifferences } from './testing/single-differences.js';

/** What means nothing to a plan. A field that is not named here must make another plan, also one that is new. */
const meaningless = ['exports[].uri'];

const digestFor = (observed: ObservedVolume, desired: PlannedVolume) => {
  const plan = planCard({ cardId: CARD, observed, desired, appliedStackGeneration: 1, capabilities: capable() });
  return plan.ok ? digestOf(plan.steps) : plan.problem.code;
};
/** As the planner would be given it: the values may be ones that no data plane has, their shape is right. */
const isObserved = (value: unknown): value is ObservedVolume => typeof value === 'object' && value !== null;

it('is another plan, or refused, for every observation that differs in a single field', () => {
  fc.assert(
    fc.property(changeArbitrary, ({ from, to }) => {
      const expected = expectedObservation(from);
      const accepted = digestFor(expected, to);
      const unnoticed = singleDifferences(observedVolumeSchema, expected)
        .filter(({ path }) => !meaningless.includes(path))
        .filter(({ value }) => isObserved(value) && digestFor(value, to) === accepted);
      expect(unnoticed).toEqual([]);
    }),
    // Small on purpose: each run plans some hundred times.
    { numRuns: 40 },
  );
});

it('takes every field of an observation as one that can differ', () => {
  fc.assert(
    fc.property(changeArbitrary, ({ from }) => {
      const paths = new Set(singleDifferences(observedVolumeSchema, expectedObservation(from)).map(({ path }) => path));
      const expected = [
        'volumeId',
        'running',
        'head',
        'head.qos',
        'head.sizeBytes',
        'stacks[].keyRef',
        'copy',
        'exports',
      ];
      expect([...paths]).toEqual(
        expect.arrayContaining([...expected, 'stacks[].windowBytes', 'stacks[].legs[].epoch']),
      );
    }),
    { numRuns: 10 },
  );
});
