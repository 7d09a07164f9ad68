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

  it('has lost it at its end when it asked in vain', () => {
    expect(beat(new LeaseTime(times, 0), 0, times.leaseMs).verdict).toBe('lost');
  });

  it('gets a last try when it was not running, believes nothing meanwhile, and goes on when it still is the holder', () => {
    const lease = new LeaseTime(times, 0);
    expect(lease.check(60_000)).toEqual({ verdict: 'expired', renew: true });
    expect(lease.isHeld(60_000)).toBe(false);
    lease.renewed(60_000);
    expect(lease.check(60_250).verdict).toBe('held');
  });

  it('has lost it when the last try is not answered in time', () => {
    const lease = new LeaseTime(times, 0);
    lease.check(60_000);
    expect(beat(lease, 60_250, 61_000).verdict).toBe('lost');
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
