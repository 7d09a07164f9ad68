import { expect, test } from 'vitest';
import { fromThrottleLimits, toThrottleLimits } from './throttle-limits.js';

test('all twelve limits are sent each time, so that nothing is left from before', () => {
  for (const qos of [null, {}, { iopsTotal: 300 }]) expect(Object.keys(toThrottleLimits(qos))).toHaveLength(12);
  expect(toThrottleLimits({ iopsTotal: 300, iopsTotalBurst: 600 })).toMatchObject({
    'iops-total': 300,
    'iops-total-max': 600,
    'bps-read': 0,
  });
});

test('limits are read as they were set, and no limits at all as none', () => {
  const qos = { iopsRead: 1, iopsReadBurst: 2, bytesPerSecondWrite: 4096 };
  expect(fromThrottleLimits(toThrottleLimits(qos))).toEqual(qos);
  expect(fromThrottleLimits({ ...toThrottleLimits(null), 'iops-size': 0, 'iops-total-max-length': 1 })).toBeNull();
});
