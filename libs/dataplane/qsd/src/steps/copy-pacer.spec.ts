import { describe, expect, it } from 'vitest';
import { guestBytes } from './copy-pacer.js';

const MIB = 1024 ** 2;
const start = { readBytes: 100 * MIB, writtenBytes: 50 * MIB, doneBytes: 10 * MIB, totalBytes: 64 * MIB };
/** What the two books may differ by, which is nobody's reading. */
const BETWEEN = MIB / 2;
const toRemote = { old: 1, next: 0 };
const fromRemote = { old: 0, next: 0 };

describe('what the guest did while a copy ran that it goes along with', () => {
  it('is nothing while the copy alone moves', () => {
    const now = { ...start, readBytes: 130 * MIB, doneBytes: 40 * MIB };
    expect(guestBytes(start, now, toRemote, 'in-step')).toBe(0);
    expect(guestBytes(start, now, fromRemote, 'in-step')).toBe(0);
  });

  it('is its writes, by which the copy has more to do, and its reads, which are more than the copy moved', () => {
    // 30 MiB copied, 4 MiB written to both stacks, 8 MiB read by the guest.
    const now = { ...start, readBytes: 138 * MIB + BETWEEN, doneBytes: 44 * MIB, totalBytes: 68 * MIB };
    expect(guestBytes(start, now, toRemote, 'in-step')).toBe(12 * MIB);
  });

  it('is its reads once, of a mirror whose every leg is read', () => {
    const now = { ...start, readBytes: 100 * MIB + 3 * (38 * MIB + BETWEEN), doneBytes: 40 * MIB };
    expect(guestBytes(start, now, { old: 3, next: 0 }, 'in-step')).toBe(8 * MIB);
  });

  it('is its writes alone where the old stack is remote, whatever the daemon read elsewhere', () => {
    const now = { ...start, readBytes: 900 * MIB, doneBytes: 44 * MIB, totalBytes: 68 * MIB };
    expect(guestBytes(start, now, fromRemote, 'in-step')).toBe(4 * MIB);
  });
});

describe('what the guest did while a copy was behind', () => {
  it('is nothing while the copy alone moves, from files or into them', () => {
    const now = { ...start, readBytes: 130 * MIB, doneBytes: 40 * MIB };
    expect(guestBytes(start, now, toRemote, 'behind')).toBe(0);
    const intoTwo = { ...now, writtenBytes: 110 * MIB };
    expect(guestBytes(start, intoTwo, { old: 1, next: 2 }, 'behind')).toBe(0);
  });

  it('is what was written to the files of the old stack, of which the copy hears only where it has been', () => {
    // 30 MiB copied, 8 MiB written by the guest, half of it over what was copied.
    const now = {
      ...start,
      readBytes: 130 * MIB,
      writtenBytes: 58 * MIB + BETWEEN,
      doneBytes: 40 * MIB,
      totalBytes: 68 * MIB,
    };
    expect(guestBytes(start, now, toRemote, 'behind')).toBe(8 * MIB);
    const intoFile = { ...now, writtenBytes: 88 * MIB + BETWEEN };
    expect(guestBytes(start, intoFile, { old: 1, next: 1 }, 'behind')).toBe(8 * MIB);
  });

  it('is what it wrote over what was copied, where the old stack is remote', () => {
    const now = { ...start, readBytes: 900 * MIB, writtenBytes: 900 * MIB, doneBytes: 40 * MIB, totalBytes: 68 * MIB };
    expect(guestBytes(start, now, fromRemote, 'behind')).toBe(4 * MIB);
  });
});
