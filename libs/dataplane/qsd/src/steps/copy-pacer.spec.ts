import { describe, expect, it } from 'vitest';
import { guestBytes } from './copy-pacer.js';

const MIB = 1024 ** 2;
const start = { readBytes: 100 * MIB, doneBytes: 10 * MIB, totalBytes: 64 * MIB };
/** What the two books may differ by, which is nobody's reading. */
const BETWEEN = MIB / 2;

describe('what the guest did while a copy ran', () => {
  it('is nothing while the copy alone moves', () => {
    const now = { ...start, readBytes: 130 * MIB, doneBytes: 40 * MIB };
    expect(guestBytes(start, now, 1)).toBe(0);
    expect(guestBytes(start, now, 0)).toBe(0);
  });

  it('is its writes, by which the copy has more to do, and its reads, which are more than the copy moved', () => {
    // 30 MiB copied, 4 MiB written to both stacks, 8 MiB read by the guest.
    const now = { readBytes: 138 * MIB + BETWEEN, doneBytes: 44 * MIB, totalBytes: 68 * MIB };
    expect(guestBytes(start, now, 1)).toBe(12 * MIB);
  });

  it('is its reads once, of a mirror whose every leg is read', () => {
    const now = { readBytes: 100 * MIB + 3 * (38 * MIB + BETWEEN), doneBytes: 40 * MIB, totalBytes: 64 * MIB };
    expect(guestBytes(start, now, 3)).toBe(8 * MIB);
  });

  it('is its writes alone where the old stack is remote, whatever the daemon read elsewhere', () => {
    const now = { readBytes: 900 * MIB, doneBytes: 44 * MIB, totalBytes: 68 * MIB };
    expect(guestBytes(start, now, 0)).toBe(4 * MIB);
  });
});
