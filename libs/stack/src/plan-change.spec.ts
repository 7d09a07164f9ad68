import { type ObservedLeg, planSchema } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChangePlanInput,
  type PlannedVolume,
  acceptedPlanOf,
  digestOf,
  expectedObservation,
  growsInPlace,
  planCard,
  planChange,
  type PlannedPoolLeg,
  planPoolLeg,
} from './index.js';
import { CARD, capable, changeArbitrary, stackOfLayers, volume } from './testing/arbitraries.js';

const MIB = 1024 ** 2;
const SIZE = 64 * MIB;
const encrypted = { kind: 'encryption', cipher: 'aes-xts-256' } as const;
const pools = new Map([['pool-0', capable()]]);

function change(from: PlannedVolume | null, to: PlannedVolume, difference: Partial<ChangePlanInput> = {}) {
  const result = planChange({
    cardId: CARD,
    cardCapabilities: capable(),
    from,
    to,
    poolCapabilities: pools,
    ...difference,
  });
  if (!result.ok) throw new Error(`${result.problem.code}: ${result.problem.detail}`);
  return result.plan;
}
const named = (plan: ReturnType<typeof change>) => plan.steps.map(({ actor, step }) => `${actor.id} ${step.kind}`);

describe('the plan of a change', () => {
  it('has pools make new legs first and delete old ones last, each step with its actor', () => {
    const plan = change(volume(stackOfLayers(1, [encrypted], SIZE)), volume(stackOfLayers(2, [], SIZE)));
    expect(named(plan)).toEqual([
      'pool-0 create-leg',
      'pool-0 serve-leg',
      'card-1 open-leg',
      'card-1 copy',
      'card-1 cut-over',
      'card-1 close-stack',
      'pool-0 stop-serving-leg',
      'pool-0 delete-leg',
    ]);
    expect(plan.cutOverIndex).toBe(4);
    expect(plan.destroys).toEqual(['key key-0000000100', 'leg leg-0000000100']);
    expect(plan.card.destroys).toEqual([]);
    expect(plan.bytesToCopy).toBe(SIZE);
    expect(plan.guestFeels).toBeNull();
  });

  it('binds the card to what it will plan from its own observation', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const plan = change(from, to);
        const card = planCard({
          cardId: CARD,
          observed: expectedObservation(from),
          desired: to,
          appliedStackGeneration: 1,
          capabilities: capable(),
        });
        expect(planSchema.safeParse(plan).error).toBeUndefined();
        expect(card.ok && acceptedPlanOf(card.steps)).toEqual(plan.card);
      }),
      { numRuns: 60 },
    );
  });

  it('grows the leg on its pool before the head on its card', () => {
    const from = volume(stackOfLayers(1, [encrypted], SIZE));
    const to = volume(stackOfLayers(1, [encrypted], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(named(change(from, to))).toEqual(['pool-0 grow-leg', 'card-1 grow-head']);
    expect(() =>
      change(from, to, { poolCapabilities: new Map([['pool-0', capable([{ name: 'grow-leg', reason: 'fixed' }])]]) }),
    ).toThrow('grow-leg (fixed)');
  });

  it('makes larger legs beside the old for a volume that grows by a swap, and says what the guest feels', () => {
    const from = volume(stackOfLayers(1, [encrypted], SIZE, 'nbd'));
    const to = volume(stackOfLayers(2, [encrypted], 2 * SIZE, 'nbd'), { sizeBytes: 2 * SIZE });
    const plan = change(from, to);
    expect(named(plan)).toEqual([
      'pool-0 create-leg',
      'pool-0 serve-leg',
      'card-1 open-leg',
      'card-1 format-encryption',
      'card-1 open-encryption',
      'card-1 build-window',
      'card-1 copy',
      'card-1 cut-over',
      'card-1 grow-head',
      'card-1 close-stack',
      'pool-0 stop-serving-leg',
      'pool-0 delete-leg',
    ]);
    expect(plan.steps[0]?.step).toMatchObject({ kind: 'create-leg', sizeBytes: 2 * SIZE + 2_068_480 });
    expect(plan.bytesToCopy).toBe(SIZE);
    expect(plan.guestFeels).toBe('its device becomes larger');
  });

  it('says how a volume grows, and what it lacks on its new stack', () => {
    const mirror = { kind: 'raid1', legCount: 3, safeRead: false } as const;
    const from = volume(stackOfLayers(1, [encrypted, mirror], SIZE));
    const single = volume(stackOfLayers(2, [encrypted], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(change(from, single)).toMatchObject({ grows: 'window', lacks: ['redundancy'] });
    const back = volume(stackOfLayers(3, [encrypted, mirror], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(change(single, back)).toMatchObject({ grows: null, lacks: [] });
    const plain = volume(stackOfLayers(4, [], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(change(back, plain)).toMatchObject({ grows: null, lacks: ['redundancy', 'encryption'] });
    const inPlace = volume(stackOfLayers(2, [encrypted], 3 * SIZE), { sizeBytes: 3 * SIZE });
    expect(change(single, inPlace)).toMatchObject({ grows: 'in-place', lacks: [] });
  });

  it('knows which legs become larger where they are', () => {
    const { legs } = stackOfLayers(1, [], SIZE);
    expect(growsInPlace(legs, pools)).toBe(true);
    expect(growsInPlace(stackOfLayers(1, [], SIZE, 'nbd').legs, pools)).toBe(false);
    expect(growsInPlace(legs, new Map([['pool-0', capable([{ name: 'grow-leg', reason: 'fixed' }])]]))).toBe(false);
  });

  it('deletes a volume with its legs and key, and says that the guest loses its device', () => {
    const from = volume(stackOfLayers(1, [encrypted], SIZE));
    const plan = change(from, { ...from, tombstone: true });
    expect(named(plan)).toEqual([
      'card-1 unexport-volume',
      'card-1 stop-data-plane',
      'pool-0 stop-serving-leg',
      'pool-0 delete-leg',
    ]);
    expect(plan.destroys).toEqual(['key key-0000000100', 'leg leg-0000000100']);
    expect(plan.guestFeels).toContain('goes away');
  });

  it('has no steps for no difference, and refuses another protocol', () => {
    const from = volume(stackOfLayers(1, [], SIZE));
    expect(change(from, from).steps).toEqual([]);
    expect(() => change(from, { ...from, export: { protocol: 'virtio-blk', functionId: 'fn-0' } })).toThrow(
      'change-refused',
    );
  });

  it('is shown with a sentence and a time for each step, which no digest covers', () => {
    fc.assert(
      fc.property(changeArbitrary, ({ from, to }) => {
        const { steps, digest, expectedSeconds } = change(from, to);
        for (const { does } of steps) expect(does).toMatch(/^[A-Z].*[^.]\.$/);
        expect(expectedSeconds).toBeCloseTo(
          steps.reduce((sum, step) => sum + step.expectedSeconds, 0),
          3,
        );
        expect(digestOf(steps.map((step) => ({ ...step, does: 'other words', expectedSeconds: 7 })))).toBe(digest);
      }),
      { numRuns: 60 },
    );
  });

  it('says of other limits, and of a larger device, that the guest feels them', () => {
    const from = volume(stackOfLayers(1, [], SIZE), { qos: { iopsTotal: 100 } });
    expect(change(from, { ...from, qos: { iopsTotal: 300 } }).guestFeels).toBe('its limits become: iopsTotal 300');
    const larger = volume(stackOfLayers(1, [], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(change(from, larger).guestFeels).toBe('its device becomes larger; its limits become: unlimited');
    expect(change(null, from, { poolCapabilities: new Map() }).guestFeels).toBeNull();
  });

  it('expects the time that copying takes at the planned rate', () => {
    const slow = { copyBytesPerSecond: MIB };
    const plan = change(volume(stackOfLayers(1, [], SIZE)), volume(stackOfLayers(2, [], SIZE), slow));
    expect(plan.expectedSeconds).toBeGreaterThanOrEqual(64);
    expect(plan.expectedSeconds).toBeLessThan(70);
  });
});

describe('the plan of a leg on its pool', () => {
  const desired: PlannedPoolLeg = {
    legId: 'leg-0000000001',
    volumeId: 'vol-0000000001',
    sizeBytes: SIZE,
    epoch: 2,
    holder: { cardId: 'card-1' },
    role: 'preparing',
    tombstone: false,
  };
  const serving = { epoch: 2, holderCardId: 'card-1' };
  const settled = {
    legId: desired.legId,
    volumeId: desired.volumeId,
    sizeBytes: SIZE,
    allocatedBytes: 0,
    epoch: 2,
    holderCardId: 'card-1',
    serving,
  };
  const stepsOf = (observed: ObservedLeg | null, difference: Partial<PlannedPoolLeg> = {}) => {
    const plan = planPoolLeg({ poolId: 'pool-1', observed, desired: { ...desired, ...difference } });
    return plan.ok ? plan.steps.map(({ step }) => step.kind) : `${plan.problem.code}: ${plan.problem.detail}`;
  };

  it('makes and serves a leg once, and serves it again when it is found not served', () => {
    expect(stepsOf(null)).toEqual(['create-leg', 'serve-leg']);
    expect(stepsOf(settled)).toEqual([]);
    expect(stepsOf({ ...settled, serving: null })).toEqual(['serve-leg']);
    expect(stepsOf({ ...settled, sizeBytes: 0, serving: null })).toEqual(['create-leg', 'serve-leg']);
  });

  it('makes nothing anew that was in use, and deletes it all the same', () => {
    const begun = { ...settled, sizeBytes: 0, serving: null };
    for (const role of ['current', 'frozen', 'retiring'] as const) {
      expect(stepsOf(null, { role })).toMatch(/^needs-operator: .*the pool has nothing of it/);
      expect(stepsOf(begun, { role })).toMatch(/^needs-operator: .*it is not made anew/);
      expect(stepsOf(null, { role, tombstone: true })).toEqual([]);
      expect(stepsOf({ ...settled, serving: null }, { role })).toEqual(['serve-leg']);
    }
  });

  it('neither serves nor grows a damaged leg, but cuts its old holder off, and deletes it', () => {
    const damaged = { ...settled, serving: null, damage: 'half of its bytes are gone' };
    expect(stepsOf(damaged)).toMatch(/^needs-operator: .*half of its bytes are gone/);
    expect(stepsOf(damaged, { sizeBytes: 2 * SIZE })).toMatch(/^needs-operator/);
    expect(stepsOf({ ...settled, damage: 'gone' }, { epoch: 3, holder: { cardId: 'card-2' } })).toEqual(['fence-leg']);
    expect(stepsOf(damaged, { tombstone: true })).toEqual(['delete-leg']);
  });

  it('cuts the old holder off before it serves a new epoch, and only grows', () => {
    expect(stepsOf(settled, { epoch: 3, holder: { cardId: 'card-2' } })).toEqual(['fence-leg', 'serve-leg']);
    expect(stepsOf(settled, { sizeBytes: 2 * SIZE })).toEqual(['grow-leg']);
    expect(stepsOf(settled, { sizeBytes: SIZE / 2 })).toContain('change-refused');
  });

  it('carries a fence on that was cut short, wherever that was', () => {
    const moved = { epoch: 3, holder: { cardId: 'card-2' } };
    const raised = { ...settled, epoch: 3, holderCardId: null };
    expect(stepsOf(raised, moved)).toEqual(['fence-leg', 'serve-leg']);
    expect(stepsOf({ ...raised, serving: null }, moved)).toEqual(['serve-leg']);
    const served = { ...raised, holderCardId: 'card-2', serving: { epoch: 3, holderCardId: 'card-2' } };
    expect(stepsOf(served, moved)).toEqual([]);
    expect(stepsOf(served, { ...moved, holder: { cardId: 'card-1' } })).toContain('needs a higher epoch');
    expect(stepsOf({ ...served, serving: null }, { ...moved, holder: { cardId: 'card-1' } })).toContain(
      'needs-operator',
    );
  });

  it('deletes only by a tombstone, after it stopped serving', () => {
    expect(stepsOf(settled, { tombstone: true })).toEqual(['stop-serving-leg', 'delete-leg']);
    expect(stepsOf(null, { tombstone: true })).toEqual([]);
  });

  it('stops for an operator when another volume, another holder or a newer epoch has the leg', () => {
    expect(stepsOf({ ...settled, volumeId: 'vol-0000000009' })).toContain('belongs to volume vol-0000000009');
    expect(stepsOf({ ...settled, volumeId: 'vol-0000000009' }, { tombstone: true })).toContain('needs-operator');
    expect(stepsOf(settled, { holder: { cardId: 'card-2' } })).toContain('needs a higher epoch');
    expect(stepsOf(settled, { epoch: 1 })).toContain('an epoch never goes back');
  });
});
