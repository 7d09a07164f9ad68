import { describe, expect, it } from 'vitest';
import { Run } from '../run/run.js';
import { rareCells, stepKinds, whyNever } from './cells.js';
import { faultKinds } from './fault.js';

describe('the cells of steps and faults', () => {
  it('are rare while they are hit less often than enough, and never those that cannot be hit', () => {
    const all = stepKinds.length * faultKinds.length;
    const impossible = stepKinds.flatMap((step) => faultKinds.filter((fault) => whyNever(step, fault) !== null)).length;
    expect(rareCells([], 1)).toHaveLength(all - impossible);
    const hit = { step: 'copy', fault: 'disk-full' } as const;
    expect(rareCells([{ ...hit, hits: 20 }], 20)).toHaveLength(all - impossible - 1);
    expect(rareCells([{ ...hit, hits: 19 }], 20).at(-1)).toEqual({ ...hit, hits: 19 });
  });

  it('that cannot be hit are not', async () => {
    for (const seed of [11, 12, 13, 14, 15]) {
      const { coverage } = await new Run(seed).play();
      const struck = coverage.flatMap(({ step, fault }) => (step === 'none' ? [] : [whyNever(step, fault)]));
      expect(struck.filter((why) => why !== null)).toEqual([]);
    }
  });
});
