import { expect, it } from 'vitest';
import { whyAnotherLife } from './life.js';

const life = { incarnation: 'a', revisions: 10 };

it('a database that has come as far as was written, or further, is the same life', () => {
  expect(whyAnotherLife(life, life)).toBeNull();
  expect(whyAnotherLife({ ...life, revisions: 11 }, life)).toBeNull();
  expect(whyAnotherLife(life, null)).toBeNull();
});

it('an older copy, and the database of another incarnation, are another life', () => {
  expect(whyAnotherLife({ ...life, revisions: 9 }, life)).toContain('older copy');
  expect(whyAnotherLife({ incarnation: 'b', revisions: 99 }, life)).toContain('incarnation a');
});
