import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Placement, type PlacementRequest, place, placeLegs } from './index.js';
import { card, fleetOf, pool, request } from './testing/fleets.js';

const GIB = 1024 ** 3;
const wish = (difference: Partial<PlacementRequest['wish']>): PlacementRequest['wish'] => ({
  ...request().wish,
  ...difference,
});
const three = () => fleetOf([card(1), card(2), card(3)], [pool(1), pool(2), pool(3)]);

function refusal(placement: Placement): string {
  return placement.ok ? 'placed' : `${placement.problem.code}: ${placement.problem.detail}`;
}
const poolsOf = (placement: Placement) => (placement.ok ? placement.legs.map(({ poolId }) => poolId) : []);

describe('a placement', () => {
  it('has a free function of the protocol, and as many pools as legs, all different', () => {
    const placement = place(request({ legCount: 3 }), three());
    expect(placement).toMatchObject({ ok: true, functionId: 'fn-0' });
    expect(poolsOf(placement).toSorted()).toEqual(['pool-1', 'pool-2', 'pool-3']);
  });

  it('puts legs where they are named, in that order, and the rest where it is best', () => {
    expect(poolsOf(place(request({ legCount: 2, wish: wish({ poolIds: ['pool-3', 'pool-1'] }) }), three()))).toEqual([
      'pool-3',
      'pool-1',
    ]);
    expect(poolsOf(place(request({ legCount: 2, wish: wish({ poolIds: ['pool-3'] }) }), three()))[0]).toBe('pool-3');
  });

  it('reaches a pool of a host from cards in that host alone', () => {
    const fleet = fleetOf([card(1), card(2)], [pool(2, { reach: 'host' })]);
    expect(place(request(), fleet)).toMatchObject({ ok: true, cardId: 'card-2', legs: [{ poolId: 'pool-2' }] });
    expect(refusal(place(request({ wish: wish({ cardId: 'card-1' }) }), fleet))).toContain(
      'reach excludes 1 of 1 pools (pool-2)',
    );
  });

  it('needs a card that can open legs in the way that the pool serves them', () => {
    const fileOnly = card(1, {
      capabilities: {
        has: [
          { name: 'front-end.nbd', limits: {} },
          { name: 'leg.file', limits: {} },
        ],
        lacks: [],
      },
    });
    expect(refusal(place(request(), fleetOf([fileOnly], [pool(1)])))).toContain('reach excludes 1 of 1 pools');
  });

  it('spreads legs over domains where it can, and refuses where it must and cannot', () => {
    const sameRack = { failureDomain: { host: 'h', rack: 'rack-1' } };
    const fleet = fleetOf([card(1)], [pool(1), pool(2, sameRack), pool(3)]);
    expect(poolsOf(place(request({ legCount: 2 }), fleet))).toContain('pool-3');
    expect(poolsOf(place(request({ legCount: 3 }), fleet))).toHaveLength(3);
    expect(refusal(place(request({ legCount: 3, wish: wish({ spreadRequired: true }) }), fleet))).toContain(
      'leg-count excludes 3 of 3 pools',
    );
    expect(refusal(place(request({ wish: wish({ spreadRequired: true, spreadLegsOver: 'zone' }) }), fleet))).toContain(
      'spread-domain excludes 3 of 3',
    );
  });

  it('keeps off cards and pools that are cordoned, unreachable or quarantined', () => {
    const cards = [card(1, { cordoned: true }), card(2, { state: 'unreachable' }), card(3)];
    const pools = [pool(1, { cordoned: true }), pool(2, { state: 'quarantined' }), pool(3)];
    expect(place(request(), fleetOf(cards, pools))).toMatchObject({
      ok: true,
      cardId: 'card-3',
      legs: [{ poolId: 'pool-3' }],
    });
  });

  it('keeps off cards and pools that follow another life of the database, or have not said yet which', () => {
    const fleet = fleetOf([card(1), card(2), card(3)], [pool(1), pool(2), pool(3)]);
    for (const role of ['card', 'pool'] as const) {
      fleet.setFollows(role, `${role}-1`, 'another');
      fleet.setFollows(role, `${role}-2`, 'unheard');
    }
    expect(place(request(), fleet)).toMatchObject({ ok: true, cardId: 'card-3', legs: [{ poolId: 'pool-3' }] });
    expect(refusal(place(request({ legCount: 2 }), fleet))).toContain(
      'pool-unheard excludes 1 of 3 pools (pool-2), which the scheduler has not heard yet: try again in some seconds',
    );
    fleet.setFollows('card', 'card-3', 'another');
    expect(refusal(place(request(), fleet))).toContain('card-diverged excludes 2 of 3 cards (card-1, card-3)');
    fleet.setFollows('card', 'card-2', 'this');
    expect(place(request(), fleet)).toMatchObject({ ok: true, cardId: 'card-2' });
  });

  it('follows labels, and keeps beside or away from the volumes that are named by theirs', () => {
    const fleet = three();
    const held = {
      volumeId: 'vol-0000000001',
      cardId: 'card-2',
      functionId: 'fn-0',
      labels: { app: 'db' },
      ...request().card,
    };
    expect(fleet.reserve({ card: held, legs: [] })).toBeNull();
    expect(place(request({ wish: wish({ affinity: { app: 'db' } }) }), fleet)).toMatchObject({ cardId: 'card-2' });
    const away = request({ wish: wish({ antiAffinity: { app: 'db' }, cardLabels: {} }) });
    expect(place(away, fleet)).not.toMatchObject({ cardId: 'card-2' });
    expect(refusal(place(request({ wish: wish({ affinity: { app: 'web' } }) }), fleet))).toContain(
      'affinity excludes 3 of 3 cards',
    );
    expect(refusal(place(request({ wish: wish({ poolLabels: { tier: 'gold' } }) }), fleet))).toContain(
      'pool-labels excludes 3 of 3 pools',
    );
  });

  it('spreads to the emptiest card, packs on the fullest, and balances what is used', () => {
    const fleet = fleetOf([card(1), card(2)], [pool(1)]);
    fleet.adopt({
      card: {
        volumeId: 'vol-0000000001',
        cardId: 'card-1',
        functionId: 'fn-0',
        labels: {},
        ...request().card,
        iops: 500,
      },
      legs: [],
    });
    expect(place(request({ wish: wish({ policy: 'spread' }) }), fleet)).toMatchObject({ cardId: 'card-2' });
    expect(place(request({ wish: wish({ policy: 'pack' }) }), fleet)).toMatchObject({ cardId: 'card-1' });
    expect(place(request({ wish: wish({ policy: 'balance' }) }), fleet)).toMatchObject({ cardId: 'card-2' });
  });

  it('is the same for the same seed, whatever the order in which the fleet became known', () => {
    const numbers = [1, 2, 3, 4, 5, 6];
    fc.assert(
      fc.property(
        fc.integer(),
        fc.shuffledSubarray(numbers, { minLength: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (seed, order, legCount) => {
          const asked = request({ seed, legCount });
          const straight = place(
            asked,
            fleetOf(
              numbers.map((n) => card(n)),
              numbers.map((n) => pool(n)),
            ),
          );
          expect(
            place(
              asked,
              fleetOf(
                order.map((n) => card(n)),
                order.map((n) => pool(n)),
              ),
            ),
          ).toEqual(straight);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a refusal', () => {
  it('says pool-full when it is room that lacks, and no-placement when it is anything else', () => {
    expect(refusal(place(request({ leg: { ...request().leg, capacityBytes: 11 * GIB } }), three()))).toContain(
      'pool-full: no pool has room',
    );
    expect(refusal(place(request({ leg: { ...request().leg, iops: 1001 } }), three()))).toContain('no-placement');
    expect(refusal(place(request({ card: { ...request().card, memoryBytes: 2 * GIB } }), three()))).toContain(
      'card-memory excludes 3 of 3 cards (card-1, card-2, card-3)',
    );
    expect(refusal(place(request({ requiredCapabilities: ['compression'] }), three()))).toContain(
      'capability excludes 3',
    );
    expect(refusal(place(request({ protocol: 'nvme' }), three()))).toContain('protocol-function excludes 3');
    expect(refusal(place(request(), fleetOf([], [])))).toContain('of 0 cards and 0 pools');
  });

  it('names what contradicts itself or is not known before it counts anybody', () => {
    expect(refusal(place(request({ wish: wish({ poolIds: ['pool-1', 'pool-1'] }), legCount: 2 }), three()))).toContain(
      'names a pool twice',
    );
    expect(refusal(place(request({ wish: wish({ poolIds: ['pool-1', 'pool-2'] }) }), three()))).toContain(
      'one pool a leg or fewer',
    );
    expect(refusal(place(request({ wish: wish({ poolIds: ['pool-9'] }) }), three()))).toContain(
      'pool-9, which is not known',
    );
    expect(refusal(place(request({ wish: wish({ cardId: 'card-9' }) }), three()))).toContain(
      'card-9, which is not known',
    );
  });

  it('counts every card once, and every pool once when a card was found', () => {
    const states = ['ready', 'ready', 'unreachable', 'quarantined'] as const;
    const member = fc.record({
      state: fc.constantFrom(...states),
      cordoned: fc.boolean(),
      iops: fc.constantFrom(50, 1000),
      isLocal: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(member, { maxLength: 8 }),
        fc.array(member, { maxLength: 8 }),
        fc.integer({ min: 1, max: 5 }),
        (cards, pools, legCount) => {
          const fleet = fleetOf(
            cards.map(({ state, cordoned, iops }, n) =>
              card(n, { state, cordoned, budget: { ...card(n).budget, iops } }),
            ),
            pools.map(({ state, cordoned, iops, isLocal }, n) =>
              pool(n, { state, cordoned, budget: { ...pool(n).budget, iops }, reach: isLocal ? 'host' : 'network' }),
            ),
          );
          const placement = place(request({ legCount }), fleet);
          fc.pre(!placement.ok);
          const exclusions = placement.ok ? [] : placement.exclusions;
          const count = (subject: string) =>
            exclusions.filter((one) => one.subject === subject).reduce((sum, { excluded }) => sum + excluded, 0);
          const isCardFound = exclusions.some(({ constraint }) => constraint === 'no-legs');
          expect(count('card')).toBe(cards.length);
          expect(isCardFound ? count('pool') : pools.length).toBe(pools.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('legs alone', () => {
  it('go beside those that the volume has, on a card that stays', () => {
    const placement = placeLegs({ ...request({ legCount: 2 }), cardId: 'card-1' }, three());
    expect(placement.ok && placement.legs).toHaveLength(2);
    expect(placeLegs({ ...request(), cardId: 'card-9' }, three())).toMatchObject({
      ok: false,
      problem: { detail: 'card card-9 is not known' },
    });
    expect(placeLegs({ ...request({ legCount: 4 }), cardId: 'card-1' }, three())).toMatchObject({
      ok: false,
      problem: { code: 'no-placement' },
    });
  });

  it('go to a full card too, whose own budgets are not asked for again', () => {
    const fleet = fleetOf(
      [card(1, { budget: { iops: 0, bytesPerSecond: 0, memoryBytes: 0, armCentiCores: 0 } })],
      [pool(1)],
    );
    expect(placeLegs({ ...request(), cardId: 'card-1' }, fleet)).toMatchObject({ ok: true });
  });

  it('are judged as if those that give way were nowhere yet', () => {
    const taken = fc.record({
      capacityBytes: fc.integer({ min: 0, max: 5 }).map((count) => count * GIB),
      iops: fc.integer({ min: 0, max: 500 }),
      bytesPerSecond: fc.integer({ min: 0, max: 500_000_000 }),
    });
    const held = fc.record({ isOwn: fc.boolean(), leg: taken });
    fc.assert(
      fc.property(
        fc.array(held, { maxLength: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(),
        (legs, legCount, seed) => {
          const pools = legs.map((_, n) => pool(n));
          const [fleet, without] = [fleetOf([card(1)], pools), fleetOf([card(1)], pools)];
          for (const [n, { isOwn, leg }] of legs.entries())
            for (const books of isOwn ? [fleet] : [fleet, without])
              books.adopt({ card: null, legs: [{ legId: `leg-${n}`, poolId: `pool-${n}`, ...leg }] });
          const standing = new Map(legs.flatMap(({ isOwn, leg }, n) => (isOwn ? [[`pool-${n}`, leg] as const] : [])));
          const asked = { ...request({ legCount, seed }), cardId: 'card-1' };
          expect(placeLegs({ ...asked, standing }, fleet)).toEqual(placeLegs(asked, without));
        },
      ),
      { numRuns: 300 },
    );
  });
});
