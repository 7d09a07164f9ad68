import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, copyOf, isSame } from './canonical.js';

test('two values are the same exactly when their canonical JSON is', () => {
  const few = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(few, few, (left, right) => {
      expect(isSame(left, right)).toBe(canonicalJson(left) === canonicalJson(right));
      expect(isSame(left, structuredClone(left))).toBe(true);
    }),
  );
});

test('neither key order nor a member without a value makes a difference; any other does', () => {
  expect(isSame({ a: 1, b: [{ c: 2 }] }, { b: [{ c: 2 }], a: 1, d: undefined })).toBe(true);
  expect(isSame({ a: 1 }, { a: 1, d: null })).toBe(false);
  expect(isSame([1, 2], [2, 1])).toBe(false);
  expect(isSame([], {})).toBe(false);
  expect(isSame(undefined, null)).toBe(false);
});

test('a copy is the same, shares nothing that could be changed, and leaves out members without a value', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => isSame(copyOf(value), value)));
  const original = { a: [{ b: 1 }], c: undefined };
  const copy = copyOf(original);
  expect(copy).toStrictEqual({ a: [{ b: 1 }] });
  expect(copy.a[0]).not.toBe(original.a[0]);
});
