import { describe, expect, it } from 'vitest';
import { feltBetween, parseLatencyLog } from './latency-log.js';

describe('a latency log', () => {
  it('gives when each I/O ended and how long it took', () => {
    expect(parseLatencyLog('1000, 2500000, 1, 4096, 0\n1003, 500000, 0, 4096, 0\n')).toEqual([
      { endedAtMs: 1000, latencyMs: 2.5 },
      { endedAtMs: 1003, latencyMs: 0.5 },
    ]);
  });

  it('is refused when a line is not one of its own', () => {
    expect(() => parseLatencyLog('fio: terminating')).toThrow('not a line of a latency log');
  });

  it('counts an I/O for every window in which it was under way', () => {
    const ios = parseLatencyLog('100, 1000000, 1, 4096, 0\n260, 100000000, 1, 4096, 0\n400, 1000000, 1, 4096, 0\n');
    // From 160 to 260: begun in the window 150 to 200, ended after it.
    expect(feltBetween(ios, 150, 200)).toEqual({ ioCount: 1, longestIoMs: 100, p999IoMs: 100 });
    expect(feltBetween(ios, 0, 110).longestIoMs).toBe(1);
  });

  it('says nothing was felt where nothing ran', () => {
    expect(feltBetween([], 0, 100)).toEqual({ ioCount: 0, longestIoMs: 0, p999IoMs: 0 });
  });

  it('takes the 999th of a thousand as p99.9', () => {
    const ios = Array.from({ length: 1000 }, (_, index) => ({ endedAtMs: 10, latencyMs: index + 1 }));
    expect(feltBetween(ios, 0, 2000)).toEqual({ ioCount: 1000, longestIoMs: 1000, p999IoMs: 999 });
  });
});
