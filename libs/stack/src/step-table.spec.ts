import { cardStepSchema, poolStepSchema } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import { cardStepTable, describe, overdueAfterMs, poolStepTable } from './index.js';

const kindsOf = (schema: typeof cardStepSchema | typeof poolStepSchema) =>
  schema.options.map((option) => option.shape.kind.value).toSorted();

it('has a row for each kind of step, and no other', () => {
  expect(Object.keys(cardStepTable).toSorted()).toEqual(kindsOf(cardStepSchema));
  expect(Object.keys(poolStepTable).toSorted()).toEqual(kindsOf(poolStepSchema));
});

it('says what a step does in words, and when it is late', () => {
  const copy = {
    kind: 'copy',
    fromStackGeneration: 1,
    toStackGeneration: 2,
    bytes: 1024 ** 3,
    copyBytesPerSecond: 256 * 1024 ** 2,
  } as const;
  expect(describe(copy)).toBe('copy 1 GiB from stack 1 to 2 at up to 256 MiB/s and keep both the same');
  expect(overdueAfterMs(copy)).toBe(60_000 + 8 * 4000);
  expect(describe({ kind: 'delete-leg', legId: 'leg-0000000001' })).toBe('delete leg-0000000001');
});
