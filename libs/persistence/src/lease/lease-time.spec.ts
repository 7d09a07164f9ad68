import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LeaseTime, serviceLeaseTimes as times } from './lease-time.js';

/** Checks on the beat from one instant to another. @returns the last verdict, and when renewals were due */
function beat(lease: LeaseTime, fromMs: number, toMs: number) {
  const renewals: number[] = [];
  let verdict = 'none';
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += times.checkEveryMs) {
    const check = lease.check(nowMs);
    verdict = check.verdict;
    if (check.renew) renewals.push(nowMs);
  }
  return { verdict, renewals };
}

describe('what a holder believes of its lease', () => {
  it('asks for renewal three times before the lease is over', () => {
    const { renewals } = beat(new LeaseTime(times, 0), 0, times.leaseMs - 1);
    expect(renewals).toEqual([1_500, 3_000, 4_500]);
  });

  it('holds it from when the database was asked, whenever the answer came', () => {
    const lease = new LeaseTime(times, 0);
    lease.renewed(1_500);
    lease.renewed(1_000);
    expect([lease.isHeld(6_499), lease.isHeld(6_500)]).toEqual([true, false]);
  });

  it('is in doubt of it at its end when it asked in vain, asks more often, and has it again by one answer', () => {
    const lease = new LeaseTime(times, 0);
    beat(lease, 0, 1_500);
    lease.failed();
    const { verdict, renewals } = beat(lease, 1_750, 5_000);
    expect({ verdict, renewals }).toEqual({
      verdict: 'doubt',
      renewals: [2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000],
    });
    lease.renewed(5_000);
    expect(lease.check(5_250)).toEqual({ verdict: 'held', renew: false });
  });

  it('has lost it when the doubt lasts', () => {
    expect(beat(new LeaseTime(times, 0), 0, times.leaseMs + times.giveUpMs - 1).verdict).toBe('doubt');
    expect(beat(new LeaseTime(times, 0), 0, times.leaseMs + times.giveUpMs).verdict).toBe('lost');
  });

  it('asks first of all when it was not running, however long, and believes nothing meanwhile', () => {
    const lease = new LeaseTime(times, 0);
    expect([lease.isHeld(600_000), lease.check(600_000)]).toEqual([false, { verdict: 'doubt', renew: true }]);
    lease.renewed(600_000);
    expect(lease.check(600_250).verdict).toBe('held');
  });

  it('never believes longer than a lease after the last renewal that was answered', () => {
    const step = fc.record({ afterMs: fc.integer({ min: 1, max: 9_000 }), answered: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const lease = new LeaseTime(times, 0);
        let nowMs = 0;
        let provenAtMs = 0;
        for (const { afterMs, answered } of steps) {
          nowMs += afterMs;
          const { verdict, renew } = lease.check(nowMs);
          expect(verdict === 'held').toBe(nowMs < provenAtMs + times.leaseMs);
          if (!renew || !answered) continue;
          lease.renewed(nowMs);
          provenAtMs = nowMs;
        }
      }),
    );
  });
});
