import { describe, expect, it } from 'vitest';
import { feltTable } from './felt-table.js';
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
      for (const measured of [
        feltMeasurements('a change', [row(10), row(10), bad]),
        feltMeasurements('a change', [row(10), row(10)], [bad]),
      ])
        expect(measured.map(({ holds }) => holds)).toEqual([false, false]);
  });

  it('is a table of every longest I/O and every p99.9, with their medians', () => {
    const rows = [row(30), row(40, { p999IoMs: 7 }), row(50, { p999IoMs: 6 })];
    const table = feltTable([{ name: 'a change', rows, measurements: feltMeasurements('a change', rows) }]).split('\n');
    expect(table[0]).toContain('| p99.9 |');
    expect(table[2]).toBe('| a change | 30.0, 40.0, 50.0 | 40.0 | 5.0, 7.0, 6.0 | 6.0 | 20.0 | holds |');
  });
});
