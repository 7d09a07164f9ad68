import { expect, test } from 'vitest';
import { badLegOf } from './bad-leg.js';

const outvoted = { 'node-name': 's3.leg-000000000a.2', type: 'read', 'sector-num': 2048, 'sectors-count': 8 };

test('a leg whose content was outvoted is named with its place in bytes', () => {
  const place = { stackGeneration: 3, legId: 'leg-000000000a', offsetBytes: 1048576, lengthBytes: 4096 };
  expect(badLegOf('QUORUM_REPORT_BAD', outvoted)).toEqual({ ...place, kind: 'differs' });
});

test('a failed operation is told by its kind, whatever the daemon calls the error', () => {
  for (const type of ['read', 'write', 'flush']) {
    const failed = { ...outvoted, type, error: 'Input/output error' };
    expect(badLegOf('QUORUM_REPORT_BAD', failed)?.kind).toBe(`${type}-failed`);
  }
});

test('what is about no leg, or in another shape, is passed over', () => {
  expect(badLegOf('BLOCK_JOB_READY', outvoted)).toBeNull();
  expect(badLegOf('QUORUM_REPORT_BAD', { ...outvoted, 'node-name': 'head' })).toBeNull();
  expect(badLegOf('QUORUM_REPORT_BAD', undefined)).toBeNull();
});
