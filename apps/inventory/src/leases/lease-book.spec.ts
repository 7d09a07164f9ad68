import { describe, expect, it } from 'vitest';
import { LeaseBook } from './lease-book.js';

const options = { leaseMs: 15_000, heartbeatMs: 5_000, massSilence: { agents: 2, share: 0.05, holdMs: 60_000 } };

/** Checks every second, as the service does, and returns everybody whose lease ended, with the second. */
function watch(book: LeaseBook, fromMs: number, toMs: number): [string, number][] {
  const ended: [string, number][] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) {
    for (const agent of book.check(nowMs).expired) ended.push([agent, nowMs]);
  }
  return ended;
}

function fleet(size: number): LeaseBook {
  const book = new LeaseBook(options);
  // Heartbeats are spread over one interval.
  for (let agent = 0; agent < size; agent += 1) book.renew(`card/${agent}`, (agent % 5) * 1_000);
  return book;
}

describe('a lease', () => {
  it('ends once, after the lease time without a sign of life', () => {
    const book = new LeaseBook(options);
    book.renew('card/a', 0);
    expect(watch(book, 0, 60_000)).toEqual([['card/a', 15_000]]);
  });

  it('does not end while it is renewed', () => {
    const book = new LeaseBook(options);
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 1_000) {
      if (nowMs % 5_000 === 0) book.renew('card/a', nowMs);
      expect(book.check(nowMs).expired).toEqual([]);
    }
  });

  it('does not end while we cannot hear, and starts anew when we can', () => {
    const book = new LeaseBook(options);
    book.renew('card/a', 0);
    book.check(0);
    book.goDeaf();
    expect(watch(book, 1_000, 100_000)).toEqual([]);
    book.hearAgain(100_000);
    expect(watch(book, 101_000, 200_000)).toEqual([['card/a', 115_000]]);
  });

  it('starts anew after a gap in which we did not run', () => {
    const book = new LeaseBook(options);
    book.renew('card/a', 0);
    book.check(1_000);
    expect(book.check(31_000).expired).toEqual([]);
    expect(watch(book, 32_000, 100_000)).toEqual([['card/a', 46_000]]);
  });
});

describe('silence of many at once', () => {
  it('is held, though the leases end one after the other', () => {
    expect(watch(fleet(40), 4_000, 60_000)).toEqual([]);
  });

  it('is believed in the end', () => {
    expect(watch(fleet(40), 4_000, 100_000)).toHaveLength(40);
  });

  it('is told while it is held', () => {
    const book = fleet(40);
    watch(book, 4_000, 29_000);
    expect(book.check(30_000).held).toHaveLength(40);
  });

  it('is forgotten when they are heard again', () => {
    const book = fleet(40);
    watch(book, 4_000, 30_000);
    for (let agent = 0; agent < 40; agent += 1) book.renew(`card/${agent}`, 30_500);
    expect(book.check(31_000)).toEqual({ expired: [], held: [] });
  });

  it('of two agents is two deaths, however small the fleet', () => {
    expect(watch(fleet(2), 0, 60_000)).toHaveLength(2);
  });

  it('of a few of a large fleet is theirs alone', () => {
    const book = new LeaseBook(options);
    const dead: [string, number][] = [];
    for (let nowMs = 0; nowMs <= 40_000; nowMs += 1_000) {
      for (let agent = 0; agent < 100; agent += 1) if (agent >= 5 || nowMs === 0) book.renew(`card/${agent}`, nowMs);
      for (const agent of book.check(nowMs).expired) dead.push([agent, nowMs]);
    }
    expect(dead).toEqual([0, 1, 2, 3, 4].map((agent) => [`card/${agent}`, 15_000]));
  });
});
