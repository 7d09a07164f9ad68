import { expect, it } from 'vitest';
import * as fc from 'fast-check';
import {
  acceptedPlanOf,
  applyCardStep,
  expectedObservation,
  isSettled,
  nothingObserved,
  planCard,
  planFailover,
  type PlannedVolume,
} from './index.js';
import { capable, layersArbitrary, qosArbitrary, stackOfLayers, volume } from './testing/arbitraries.js';

const SIZE = 64 * 1024 ** 2;

/** As it is on the card that is away, and as it is to be on the other. */
const failoverOf = (addressKind: 'nbd' | 'file') =>
  fc.record({ layers: layersArbitrary, qos: qosArbitrary }).map(({ layers, qos }) => {
    const from = volume(stackOfLayers(3, layers, SIZE, addressKind), { qos });
    const legs = from.stack.legs.map((leg) => ({ ...leg, epoch: leg.epoch + 1 }));
    return { from, to: { ...from, export: { ...from.export, functionId: 'fn-7' }, stack: { ...from.stack, legs } } };
  });

const planned = ({ from, to }: { from: PlannedVolume; to: PlannedVolume }) =>
  planFailover({ fromCardId: 'card-1', toCardId: 'card-2', toCapabilities: capable(), from, to });

function planOf(volumes: { from: PlannedVolume; to: PlannedVolume }) {
  const result = planned(volumes);
  if (!result.ok) throw new Error(result.problem.detail);
  return result.plan;
}

it('is refused where a leg is a file in the host of the card that is away, and names it', () => {
  fc.assert(
    fc.property(failoverOf('file'), ({ from, to }) => {
      const facts = { legId: from.stack.legs[0]?.legId, cardId: 'card-1' };
      expect(planned({ from, to })).toMatchObject({ ok: false, problem: { code: 'change-refused', facts } });
    }),
  );
});

it('fences every leg before it is served to the other card, and touches nothing that is on the legs', () => {
  fc.assert(
    fc.property(failoverOf('nbd'), ({ from, to }) => {
      const { steps, destroys, bytesToCopy, cutOverIndex } = planOf({ from, to });
      const kinds = steps.map(({ step }) => step.kind);
      const fences = from.stack.legs.flatMap(() => ['fence-leg', 'serve-leg']);
      expect(kinds.slice(0, fences.length)).toEqual(fences);
      expect(kinds).not.toContain('format-encryption');
      expect({ destroys, bytesToCopy, cutOverIndex }).toEqual({ destroys: [], bytesToCopy: 0, cutOverIndex: null });
      expect(steps.filter(({ actor }) => actor.role === 'card').every(({ actor }) => actor.id === 'card-2')).toBe(true);
    }),
  );
});

it('is for the other card the plan that it makes by itself, and ends in the volume as it is wanted', () => {
  fc.assert(
    fc.property(failoverOf('nbd'), ({ from, to }) => {
      const own = planCard({
        cardId: 'card-2',
        observed: nothingObserved(to.volumeId),
        desired: to,
        appliedStackGeneration: to.stack.stackGeneration,
        capabilities: capable(),
      });
      if (!own.ok) throw new Error('refused');
      const { steps, card } = planOf({ from, to });
      const ofCard = steps.filter(({ actor }) => actor.role === 'card');
      expect(ofCard).toMatchObject(own.steps);
      expect(card).toEqual(acceptedPlanOf(own.steps));
      const after = own.steps.reduce((seen, { step }) => applyCardStep(seen, step), nothingObserved(to.volumeId));
      expect(isSettled(after, to)).toBe(true);
    }),
  );
});

it('ends on the card that it was taken from in one step, whatever runs there', () => {
  fc.assert(
    fc.property(failoverOf('nbd'), ({ from }) => {
      const desired = { ...from, tombstone: true, movedTo: 'card-2' };
      const input = { cardId: 'card-1', desired, appliedStackGeneration: 3, capabilities: capable() };
      const plan = planCard({ ...input, observed: expectedObservation(from) });
      if (!plan.ok) throw new Error(plan.problem.detail);
      expect(plan.steps.map(({ step }) => step)).toEqual([{ kind: 'stop-data-plane', evenIfAttached: true }]);
      expect(plan.steps.flatMap(({ destroys }) => destroys)).toEqual([]);
      expect(planCard({ ...input, observed: nothingObserved(from.volumeId) })).toEqual({ ok: true, steps: [] });
    }),
  );
});
