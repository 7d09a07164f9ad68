import { describe, expect, it } from 'vitest';
import { Run, type RunResult } from './run.js';

async function played(seed: number): Promise<{ result: RunResult; lines: string[] }> {
  const lines: string[] = [];
  return { result: await new Run(seed, (line) => lines.push(line)).play(), lines };
}

describe('a run', () => {
  it('is the same again by the same seed, to the last line', async () => {
    const first = await played(7);
    expect(first.lines.length).toBeGreaterThan(100);
    expect(await played(7)).toEqual(first);
    expect((await played(8)).lines).not.toEqual(first.lines);
  });

  it('has enough in it: events, changes, and faults of which one strikes within a copy', async () => {
    for (const seed of [1, 2, 3]) {
      const { events, changes, faults, coverage, violations } = (await played(seed)).result;
      expect(violations).toEqual([]);
      expect(events).toBeGreaterThanOrEqual(200);
      expect(changes).toBeGreaterThanOrEqual(5);
      expect(faults).toBeGreaterThanOrEqual(3);
      expect(coverage.some(({ step }) => step === 'copy')).toBe(true);
    }
  });
});
