import { describe, expect, it } from 'vitest';
import { Progress } from './progress.js';

const CARD = 'agent card card-1';
const POOL = 'agent pool pool-1';
const copy = { kind: 'copy', subjectId: 'vol-1' } as const;
const limits = { kind: 'set-limits', subjectId: 'vol-2' } as const;
const serve = { kind: 'serve-leg', subjectId: 'leg-1' } as const;

describe('the steps that are under way', () => {
  it('are those that have begun and not ended, the newest of several first', () => {
    const progress = new Progress();
    expect(progress.of(CARD)).toBe(null);
    progress.began(CARD, copy);
    progress.began(CARD, limits);
    expect(progress.of(CARD)).toBe(limits);
    progress.ended(CARD, 'vol-2');
    expect(progress.of(CARD)).toBe(copy);
    progress.ended(CARD, 'vol-1');
    expect(progress.of(CARD)).toBe(null);
  });

  it('are of one agent each, and all of them a service’s', () => {
    const progress = new Progress();
    progress.began(CARD, copy);
    progress.began(POOL, serve);
    expect([progress.of(CARD), progress.of(POOL), progress.of('scheduler')]).toEqual([copy, serve, serve]);
    progress.allEnded(POOL);
    expect([progress.of(POOL), progress.of('scheduler')]).toEqual([null, copy]);
    progress.allEnded(CARD);
    expect(progress.of('scheduler')).toBe(null);
  });
});
