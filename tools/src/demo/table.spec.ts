import { describe, expect, it } from 'vitest';
import { allHeld, tableOf } from './table.js';

const row = {
  name: 'moved',
  steps: 6,
  seconds: 1.5,
  bytesCopied: 268_435_456,
  longestIoMs: 12.34,
  baselineLongestIoMs: 8,
  p999IoMs: 3,
  failedIo: 0,
  wrongBytes: 0,
  traceId: null,
};

describe("the demo's verdict", () => {
  it('holds when nothing failed and nothing was wrong', () => {
    expect(allHeld([row, row])).toBe(true);
  });

  it('does not hold with a single failed I/O or wrong byte, nor when nothing ran', () => {
    expect(allHeld([row, { ...row, failedIo: 1 }])).toBe(false);
    expect(allHeld([{ ...row, wrongBytes: 1 }])).toBe(false);
    expect(allHeld([])).toBe(false);
  });

  it('does not hold when a single I/O took more than a second', () => {
    expect(allHeld([{ ...row, longestIoMs: 1000 }])).toBe(true);
    expect(allHeld([{ ...row, longestIoMs: 1000.1 }])).toBe(false);
  });

  it('is a table with one aligned line for each change', () => {
    const lines = tableOf([row]).split('\n');
    expect(lines).toHaveLength(3);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines[2]).toContain('256');
  });
});
