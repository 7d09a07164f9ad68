import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CardReservation,
  type Fleet,
  type LegReservation,
  cardDemandOf,
  legDemandOf,
  place,
  rateOf,
} from './index.js';
import { card, fleetOf, pool, request } from './testing/fleets.js';

const GIB = 1024 ** 3;
const held = (n: number, difference: Partial<CardReservation> = {}): CardReservation => ({
  volumeId: `vol-${String(n).padStart(10, '0')}`,
  cardId: 'card-1',
  functionId: `fn-${n}`,
  labels: {},
  ...request().card,
  ...difference,
});
const leg = (n: number, difference: Partial<LegReservation> = {}): LegReservation => ({
  legId: `leg-${String(n).padStart(10, '0')}`,
  poolId: 'pool-1',
  ...request().leg,
  ...difference,
});

/** All books, as plain values to compare. */
function booksOf(fleet: Fleet) {
  const cards = [...fleet.cards()].map(({ use }) => ({
    ...use,
    functionIds: [...use.functionIds.keys()].toSorted(),
    volumes: [...use.volumes.keys()].toSorted(),
  }));
  return { cards, pools: [...fleet.pools()].map(({ use }) => ({ ...use })) };
}

describe('the books of a fleet', () => {
  it('hold all of a reservation or nothing of it', () => {
    const fleet = fleetOf([card(1)], [pool(1)]);
    const before = booksOf(fleet);
    expect(fleet.reserve({ card: held(0), legs: [leg(1), leg(2, { capacityBytes: 10 * GIB })] })).toMatchObject({
      code: 'pool-full',
    });
    expect(fleet.reserve({ card: held(0, { iops: 1001 }), legs: [leg(1)] })?.detail).toContain(
      '1000 iops free, and 1001 are needed',
    );
    expect(fleet.reserve({ card: held(9), legs: [] })?.detail).toContain('has no function fn-9');
    expect(fleet.reserve({ card: null, legs: [leg(1), leg(1)] })?.detail).toContain('holds a pool already');
    expect(booksOf(fleet)).toEqual(before);
  });

  it('give a function to one volume at a time, and a card to a volume once', () => {
    const fleet = fleetOf([card(1)], [pool(1)]);
    expect(fleet.reserve({ card: held(0), legs: [] })).toBeNull();
    expect(fleet.reserve({ card: held(1, { functionId: 'fn-0' }), legs: [] })?.detail).toContain(
      'fn-0 of card card-1 is taken',
    );
    expect(fleet.reserve({ card: held(0, { functionId: 'fn-1' }), legs: [] })?.detail).toContain(
      'holds a card already',
    );
  });

  it('keep a function taken until the last has let go of it that holds it, as they may after a restore', () => {
    const fleet = fleetOf([card(1)], [pool(1)]);
    fleet.adopt({ card: held(0), legs: [] });
    fleet.adopt({ card: held(1, { functionId: 'fn-0' }), legs: [] });
    const again = { card: held(2, { functionId: 'fn-0' }), legs: [] };
    fleet.releaseCard(held(1).volumeId);
    expect(fleet.reserve(again)?.detail).toContain('fn-0 of card card-1 is taken');
    fleet.releaseCard(held(0).volumeId);
    expect(fleet.reserve(again)).toBeNull();
  });

  it('replace what a volume holds when its limits grow, or keep the old when there is no budget', () => {
    const fleet = fleetOf([card(1)], [pool(1)]);
    fleet.adopt({ card: held(0), legs: [leg(1)] });
    expect(fleet.replaceCard(held(0, { iops: 1000 }))).toBeNull();
    expect(fleet.replaceCard(held(0, { iops: 1001 }))).toMatchObject({ code: 'no-placement' });
    expect(fleet.replaceLeg(leg(1, { capacityBytes: 10 * GIB }))).toBeNull();
    expect(fleet.replaceLeg(leg(1, { capacityBytes: 11 * GIB }))).toMatchObject({ code: 'pool-full' });
    expect(fleet.card('card-1')?.use.iops).toBe(1000);
    expect(fleet.pool('pool-1')?.use.capacityBytes).toBe(10 * GIB);
  });

  it('stay exact for a card or pool that reports less than is held on it, or is not known', () => {
    const fleet = fleetOf([], []);
    fleet.adopt({ card: held(0, { iops: 900 }), legs: [leg(1)] });
    fleet.setCard(card(1, { budget: { ...card(1).budget, iops: 500 } }));
    fleet.setPool(pool(1));
    expect(fleet.card('card-1')?.use.iops).toBe(900);
    expect(place(request(), fleet).ok).toBe(false);
    expect(place(request({ card: { ...request().card, iops: 0 } }), fleet).ok).toBe(true);
    expect(fleet.releaseCard(held(0).volumeId)).toBe(true);
    expect(fleet.releaseCard(held(0).volumeId)).toBe(false);
    expect(place(request(), fleet).ok).toBe(true);
  });

  it('never oversell, equal the sum of what is held, and are as before when all is released', () => {
    const wanted = fc.record({
      iops: fc.nat(400),
      memoryBytes: fc.nat(GIB / 2),
      capacityBytes: fc.integer({ min: 1, max: 4 * GIB }),
      legCount: fc.integer({ min: 1, max: 3 }),
      isReleased: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(wanted, { maxLength: 40 }), fc.integer(), (volumes, seed) => {
        const fleet = fleetOf([card(1), card(2)], [pool(1), pool(2, { reach: 'host' }), pool(3)]);
        const before = booksOf(fleet);
        for (const [index, volume] of volumes.entries()) {
          reservePlaced(fleet, index, volume, seed);
          if (volume.isReleased) releaseOldest(fleet);
          for (const { use, snapshot } of fleet.cards()) {
            const sum = [...fleet.cardReservations()]
              .filter(({ cardId }) => cardId === snapshot.cardId)
              .reduce((total, { iops }) => total + iops, 0);
            expect(use.iops).toBe(sum);
            expect(
              Math.max(use.iops - snapshot.budget.iops, use.memoryBytes - snapshot.budget.memoryBytes),
            ).toBeLessThanOrEqual(0);
          }
          for (const { use, snapshot } of fleet.pools())
            expect(use.capacityBytes).toBeLessThanOrEqual(snapshot.budget.capacityBytes);
        }
        for (const { volumeId } of fleet.cardReservations()) fleet.releaseCard(volumeId);
        for (const { legId } of fleet.legReservations()) fleet.releaseLeg(legId);
        expect(booksOf(fleet)).toEqual(before);
      }),
      { numRuns: 50 },
    );
  });
});

interface Wanted {
  readonly iops: number;
  readonly memoryBytes: number;
  readonly capacityBytes: number;
  readonly legCount: number;
}

/** What was placed is always granted; what is not placed is left out. */
function reservePlaced(fleet: Fleet, index: number, wanted: Wanted, seed: number): void {
  const { iops, memoryBytes, capacityBytes, legCount } = wanted;
  const placement = place(
    request({
      seed,
      legCount,
      card: { ...request().card, iops, memoryBytes },
      leg: { ...request().leg, iops, capacityBytes },
    }),
    fleet,
  );
  if (!placement.ok) return;
  const legs = placement.legs.map((placed, n) => leg(index * 10 + n, placed));
  expect(
    fleet.reserve({
      card: held(index, { ...placement.card, cardId: placement.cardId, functionId: placement.functionId }),
      legs,
    }),
  ).toBeNull();
}

function releaseOldest(fleet: Fleet): void {
  const [oldest] = fleet.cardReservations();
  const [oldestLeg] = fleet.legReservations();
  if (oldest) fleet.releaseCard(oldest.volumeId);
  if (oldestLeg) fleet.releaseLeg(oldestLeg.legId);
}

describe('what a volume takes', () => {
  it('is nothing of the rates without limits, and the base rates with them', () => {
    expect(rateOf(null)).toEqual({ iops: 0, bytesPerSecond: 0 });
    expect(
      rateOf({ iopsTotal: 300, iopsTotalBurst: 900, bytesPerSecondRead: 5000, bytesPerSecondWrite: 6000 }),
    ).toEqual({ iops: 300, bytesPerSecond: 11_000 });
  });

  it('grows with each layer and with the rate, by a table that can be replaced', () => {
    const plain = cardDemandOf([], { iopsTotal: 10_000 });
    const layered = cardDemandOf(['encryption', 'raid1'], { iopsTotal: 10_000 });
    expect(layered.armCentiCores - plain.armCentiCores).toBe(30);
    expect(layered.memoryBytes).toBeGreaterThan(plain.memoryBytes);
  });

  it('is the whole rate on each leg of a mirror and a share on each of a stripe', () => {
    expect(legDemandOf(['raid1'], { iopsTotal: 300 }, 2, GIB)).toEqual({
      capacityBytes: GIB,
      iops: 300,
      bytesPerSecond: 0,
    });
    expect(legDemandOf(['encryption', 'raid0'], { iopsTotal: 301 }, 3, GIB).iops).toBe(101);
  });
});
