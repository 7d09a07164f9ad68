import { describe, expect, it } from 'vitest';
import { clockAheadMs } from './guest-vm.js';

describe("a guest's clock", () => {
  it('is compared by the quickest answer, as if it was read in the middle', () => {
    const slow = { askedAtMs: 1000, guestMs: 1400, answeredAtMs: 1200 };
    const quick = { askedAtMs: 2000, guestMs: 2305, answeredAtMs: 2010 };
    expect(clockAheadMs([slow, quick])).toBe(300);
  });

  it('may be behind', () => {
    expect(clockAheadMs([{ askedAtMs: 1000, guestMs: 902, answeredAtMs: 1004 }])).toBe(-100);
  });
});
