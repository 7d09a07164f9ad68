import { describe, expect, it } from 'vitest';
import { feltMeasurements } from './felt.js';

const row = (longestIoMs: number, more: object = {}) => ({
  name: 'a change',
  steps: 1,
  seconds: 1,
  bytesCopied: 0,
  traceId: null,
  longestIoMs,
  baselineLongestIoMs: 20,
  p999IoMs: 5,
  failedIo: 0,
  wrongBytes: 0,
  ...more,
});

describe('what a change made a client feel', () => {
  it('holds while the median of its longest I/Os is at most twice the one before, or 25 ms more', () => {
    const [longest, p999] = feltMeasurements('a change', [row(40), row(45), row(900)]);
    expect(longest).toMatchObject({ value: 45, comparedWith: { value: 20 }, holds: true });
    expect(p999).toMatchObject({ value: 5, holds: true });
    expect(feltMeasurements('a change', [row(40), row(46), row(900)])[0]?.holds).toBe(false);
    const slow = { baselineLongestIoMs: 100 };
    expect(feltMeasurements('a change', [row(200, slow)])[0]?.holds).toBe(true);
    expect(feltMeasurements('a change', [row(201, slow)])[0]?.holds).toBe(false);
  });

  it('does not hold when one repeat had a failed I/O, a wrong byte, or an I/O over a second', () => {
    for (const bad of [row(10, { failedIo: 1 }), row(10, { wrongBytes: 4096 }), row(1001)])
      expect(feltMeasurements('a change', [row(10), row(10), bad]).map(({ holds }) => holds)).toEqual([false, false]);
  });
});
