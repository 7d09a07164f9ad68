import type { ObservedVolume, PlannedCardStep, PlannedStep } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import * as fc from 'fast-check';
import {
  acceptedPlanOf,
  applyCardStep,
  expectedObservation,
  isSettled,
  nothingObserved,
  planAttach,
  planCard,
  planChange,
  planDetach,
  type PlannedVolume,
} from './index.js';
import { capable, layersArbitrary, qosArbitrary, stackOfLayers, volume } from './testing/arbitraries.js';

const SIZE = 64 * 1024 ** 2;
const volumeOn = (addressKind: 'nbd' | 'file') =>
  fc
    .record({ layers: layersArbitrary, qos: qosArbitrary })
    .map(({ layers, qos }) => volume(stackOfLayers(3, layers, SIZE, addressKind), { qos }));
const anyVolume = fc.constantFrom('nbd' as const, 'file' as const).chain(volumeOn);

const onFunction = (of: PlannedVolume, functionId: string) => ({ ...of, export: { ...of.export, functionId } });
const atNextEpoch = (of: PlannedVolume): PlannedVolume => ({
  ...of,
  stack: { ...of.stack, legs: of.stack.legs.map((leg) => ({ ...leg, epoch: leg.epoch + 1 })) },
});

const isOfCard = (planned: PlannedStep): planned is PlannedCardStep => planned.actor.role === 'card';
const through = (start: ObservedVolume, steps: readonly PlannedStep[]) =>
  steps.filter(isOfCard).reduce((seen, { step }) => applyCardStep(seen, step), start);

function stepsOf(plan: ReturnType<typeof planAttach>) {
  if (!plan.ok) throw new Error(plan.problem.detail);
  return plan.plan.steps;
}
const attach = (from: PlannedVolume, to: PlannedVolume, toCardId: string) =>
  planAttach({ fromCardId: 'card-1', toCardId, toCapabilities: capable(), from: { ...from, detached: true }, to });

it('takes a volume off its card with nothing left there, and does nothing to its legs', () => {
  fc.assert(
    fc.property(anyVolume, (from) => {
      const steps = stepsOf(planDetach('card-1', from));
      expect(steps.map(({ step }) => step.kind)).toEqual(['unexport-volume', 'stop-data-plane']);
      expect(steps.flatMap(({ destroys }) => destroys)).toEqual([]);
      const left = through(expectedObservation(from), steps);
      expect(left).toEqual(nothingObserved(from.volumeId));
    }),
  );
});

it('shows it again on its card on any function, by what that card plans itself, and never formats', () => {
  fc.assert(
    fc.property(anyVolume, fc.constantFrom('fn-0', 'fn-7'), (from, functionId) => {
      const to = onFunction(from, functionId);
      const plan = attach(from, to, 'card-1');
      const steps = stepsOf(plan);
      expect(steps.every(({ actor }) => actor.role === 'card')).toBe(true);
      expect(steps.map(({ step }) => step.kind)).not.toContain('format-encryption');
      const own = planCard({
        cardId: 'card-1',
        observed: nothingObserved(from.volumeId),
        desired: to,
        appliedStackGeneration: 3,
        capabilities: capable(),
      });
      if (!own.ok || !plan.ok) throw new Error('refused');
      expect(plan.plan.card).toEqual(acceptedPlanOf(own.steps));
      const after = own.steps.reduce((seen, { step }) => applyCardStep(seen, step), nothingObserved(from.volumeId));
      expect(isSettled(after, to)).toBe(true);
    }),
  );
});

it('shows it on another card once every leg is fenced from the card that it was on', () => {
  fc.assert(
    fc.property(volumeOn('nbd'), (from) => {
      const kinds = stepsOf(attach(from, atNextEpoch(from), 'card-2')).map(({ step }) => step.kind);
      const fences = from.stack.legs.flatMap(() => ['fence-leg', 'serve-leg']);
      expect(kinds.slice(0, fences.length)).toEqual(fences);
      expect(kinds.slice(fences.length)).not.toContain('fence-leg');
      expect(kinds).not.toContain('format-encryption');
    }),
  );
});

it('does not follow to another card with a leg that is a file in its host, and says which', () => {
  fc.assert(
    fc.property(volumeOn('file'), (from) => {
      const facts = { legId: from.stack.legs[0]?.legId, cardId: 'card-2' };
      const plan = attach(from, atNextEpoch(from), 'card-2');
      expect(plan).toMatchObject({ ok: false, problem: { code: 'change-refused', facts } });
    }),
  );
});

it('moves to another function where it is, and the guest sees one device go and another come', () => {
  fc.assert(
    fc.property(anyVolume, (from) => {
      const to = onFunction(from, 'fn-7');
      const plan = planChange({
        cardId: 'card-1',
        cardCapabilities: capable(),
        from,
        to,
        poolCapabilities: new Map(),
      });
      if (!plan.ok) throw new Error(plan.problem.detail);
      expect(plan.plan.steps.map(({ step }) => step.kind)).toEqual(['unexport-volume', 'export-volume']);
      expect(plan.plan.guestFeels).toContain('its device on function fn-0 goes away');
      const { steps } = plan.plan;
      // From wherever it was left in between, the rest leads there; and back, when that is wanted again.
      for (let done = 0; done <= steps.length; done++) {
        const seen = through(expectedObservation(from), steps.slice(0, done));
        for (const wanted of [from, to]) {
          const rest = planCard({
            cardId: 'card-1',
            observed: seen,
            desired: wanted,
            appliedStackGeneration: 3,
            capabilities: capable(),
          });
          if (!rest.ok) throw new Error(rest.problem.detail);
          const after = rest.steps.reduce((now, { step }) => applyCardStep(now, step), seen);
          expect(isSettled(after, wanted)).toBe(true);
        }
      }
    }),
  );
});

it('leaves a detached volume nothing to do on its card when it is deleted, and its pools everything', () => {
  fc.assert(
    fc.property(anyVolume, (from) => {
      const plan = planChange({
        cardId: 'card-1',
        cardCapabilities: capable(),
        from: { ...from, detached: true },
        to: { ...from, tombstone: true },
        poolCapabilities: new Map(),
      });
      if (!plan.ok) throw new Error(plan.problem.detail);
      expect(plan.plan.steps.map(({ step }) => step.kind)).toEqual(
        from.stack.legs.flatMap(() => ['stop-serving-leg', 'delete-leg']),
      );
      expect(plan.plan.guestFeels).toBeNull();
    }),
  );
});
