import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextRound, roundFrom } from './copy-rounds.js';

const MIB = 1024 ** 2;

describe('rounds of a copy that is behind', () => {
  const first = roundFrom({ doneBytes: MIB, totalBytes: 257 * MIB });

  it('go on while they are not over', () => {
    expect(first).toEqual({ bytes: 256 * MIB, endsAtBytes: 257 * MIB });
    expect(nextRound(first, { doneBytes: 200 * MIB, totalBytes: 300 * MIB })).toBe(first);
  });

  it('end when little is left', () => {
    expect(nextRound(first, { doneBytes: 253 * MIB, totalBytes: 257 * MIB })).toBeNull();
  });

  it('are followed by another that has half as much to do at most', () => {
    const progress = { doneBytes: 257 * MIB, totalBytes: 317 * MIB };
    expect(nextRound(first, progress)).toEqual({ bytes: 60 * MIB, endsAtBytes: 317 * MIB });
  });

  it('end when the guest writes as fast as they copy', () => {
    expect(nextRound(first, { doneBytes: 257 * MIB, totalBytes: 500 * MIB })).toBeNull();
  });

  it('are few, whatever the guest does', () => {
    const wroteArbitrary = fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 46 }), wroteArbitrary, (bytes, wrote) => {
        let round = roundFrom({ doneBytes: 0, totalBytes: bytes });
        for (const writtenBytes of wrote) {
          const next = nextRound(round, { doneBytes: round.endsAtBytes, totalBytes: round.endsAtBytes + writtenBytes });
          if (next === null) return;
          expect(next.bytes).toBeLessThanOrEqual(round.bytes / 2);
          round = next;
        }
        expect.unreachable('it never went along');
      }),
    );
  });
});
