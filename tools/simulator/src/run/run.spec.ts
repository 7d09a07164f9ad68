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

  it('has enough in it: volumes, events, changes, and faults of which one strikes within a copy', async () => {
    for (const seed of [1, 2, 3, 900_056]) {
      const { volumes, events, changes, faults, coverage, violations, isEnough } = (await played(seed)).result;
      expect(violations).toEqual([]);
      expect(volumes).toBeGreaterThanOrEqual(5);
      expect(events).toBeGreaterThanOrEqual(200);
      expect(changes).toBeGreaterThanOrEqual(5);
      expect(faults).toBeGreaterThanOrEqual(3);
      expect(coverage.some(({ step }) => step === 'copy')).toBe(true);
      expect(isEnough).toBe(true);
    }
  });

  it('counts a fault where it had an effect, and at the step that it struck', async () => {
    const lines: string[] = [];
    for (let seed = 31; seed < 51; seed += 1) lines.push(...(await played(seed)).lines);
    const following = (kind: string) =>
      lines.flatMap((line, index) => (line.includes(`FAULT ${kind} `) ? [[line, lines[index + 1] ?? '']] : []));
    const killed = following('data-plane-killed');
    expect(killed.length).toBeGreaterThan(3);
    for (const [struck, next] of killed) {
      expect(next).toMatch(/: vol-\w+ on card-\d runs no more$/);
      const [, step, volumeId] = /step (\S+?)(?: of (\S+))?$/.exec(struck ?? '') ?? [];
      expect(next).toContain(step === 'null' ? 'vol-' : `${volumeId} on`);
    }
    const lost = following('lease-lost');
    expect(lost.length).toBeGreaterThan(3);
    for (const [struck, next] of lost) expect(next).toContain(`${/at (\w+)/.exec(struck ?? '')?.[1]} stands still`);
  });
});
