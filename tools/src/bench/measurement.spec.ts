import { describe, expect, it } from 'vitest';
import { atMost, atMostTimes, median, percentile } from './measurement.js';

describe('a measurement', () => {
  it('holds up to its reach and not beyond it', () => {
    expect(atMost('ready', 300, 'ms', 300).holds).toBe(true);
    expect(atMost('ready', 300.1, 'ms', 300).holds).toBe(false);
  });

  it('is held against another figure of the same run by a ratio', () => {
    const raw = { name: 'raw', value: 5 };
    expect(atMostTimes('swap', 6, 's', raw, 1.2)).toMatchObject({ comparedWith: raw, reach: 'x1.2', holds: true });
    expect(atMostTimes('swap', 6.01, 's', raw, 1.2).holds).toBe(false);
  });

  it('gives percentiles of values in any order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(
      percentile(
        Array.from({ length: 100 }, (_, index) => 100 - index),
        0.99,
      ),
    ).toBe(99);
    expect(() => median([])).toThrow('no values');
  });
});
