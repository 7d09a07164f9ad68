import { expect, it } from 'vitest';
import { Attempts } from './attempts.js';

const step = { kind: 'stop-serving-leg', legId: 'leg-0000000001' } as const;

it('has the first eight attempts of a step traced, and then each doubling', () => {
  const attempts = new Attempts();
  const traced = Array.from({ length: 100 }, () => attempts.begin(step)).flatMap((isTraced, index) =>
    isTraced ? [index + 1] : [],
  );
  expect(traced).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64]);
});

it('counts each step by itself, and begins anew once cleared', () => {
  const attempts = new Attempts();
  for (let attempt = 1; attempt <= 9; attempt++) attempts.begin(step);
  expect(attempts.begin({ ...step, legId: 'leg-0000000002' })).toBe(true);
  expect(attempts.begin(step)).toBe(false);
  attempts.clear();
  expect(attempts.begin(step)).toBe(true);
});
