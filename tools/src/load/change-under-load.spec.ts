import { describe, expect, it } from 'vitest';
import { baselineMsOf, loadedMsBefore } from './change-under-load.js';

const warmAndTenSeconds = { baselineMs: 10_000 };

describe('the baseline of a change', () => {
  it('is at least as long as it was asked for', () => {
    expect(loadedMsBefore(warmAndTenSeconds)).toBe(10_000);
    expect(baselineMsOf(warmAndTenSeconds, 300)).toBe(10_000);
  });

  it('is as long as the change, and not longer, where that takes its time', () => {
    const setting = { ...warmAndTenSeconds, expectedMs: 40_000 };
    expect(loadedMsBefore(setting)).toBe(60_000);
    for (const tookMs of [15_000, 40_000, 55_000]) expect(baselineMsOf(setting, tookMs)).toBe(tookMs);
  });

  it('never reaches into the warm-up', () => {
    expect(baselineMsOf(warmAndTenSeconds, 14_000)).toBe(10_000);
    expect(baselineMsOf({ ...warmAndTenSeconds, expectedMs: 20_000 }, 90_000)).toBe(30_000);
  });
});
