import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryJournal } from '../testing/memory-stores.js';
import { BookJournal, type Bookkeeping } from './book-journal.js';

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sum'), sum: z.int() }),
  z.strictObject({ kind: z.literal('add'), number: z.int(), atMs: z.int() }),
  z.strictObject({ kind: z.literal('intent'), what: z.string(), atMs: z.int() }),
]);
type Entry = z.infer<typeof entrySchema>;

const summing: Bookkeeping<number, Entry> = {
  schema: entrySchema,
  empty: 0,
  fold: (entries, from) =>
    entries.reduce((sum, entry) => {
      if (entry.kind === 'sum') return entry.sum;
      return entry.kind === 'add' ? sum + entry.number : sum;
    }, from),
  standFor: (sum) => ({ kind: 'sum', sum }),
  saidOnce: ['intent'],
};

const entries = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('add' as const), number: fc.integer({ min: 1, max: 9 }), atMs: fc.nat() }),
    fc.record({ kind: fc.constant('intent' as const), what: fc.constantFrom('a', 'b'), atMs: fc.nat() }),
  ),
  { minLength: 1, maxLength: 5 },
);

it('never grows beyond its bound, and is read back as the same sum, whatever is entered', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entries, { minLength: 1, maxLength: 400 }), async (appends) => {
      const disk = new MemoryJournal();
      const journal = await BookJournal.open('vol-1', disk, summing);
      let expected = 0;
      for (const append of appends) {
        expected = summing.fold(append, expected);
        expect(await journal.enter(append)).toBe(expected);
        expect(disk.lines.get('vol-1')?.length ?? 0).toBeLessThanOrEqual(256);
      }
      expect((await BookJournal.open('vol-1', disk, summing)).book).toBe(expected);
    }),
    { numRuns: 20 },
  );
});

it('writes an intent that is only repeated no second time', async () => {
  const disk = new MemoryJournal();
  const journal = await BookJournal.open('vol-1', disk, summing);
  for (let atMs = 0; atMs < 1_000; atMs++) await journal.enter([{ kind: 'intent', what: 'a', atMs }]);
  await journal.enter([{ kind: 'intent', what: 'b', atMs: 0 }]);
  await journal.enter([{ kind: 'intent', what: 'a', atMs: 0 }]);
  expect(disk.lines.get('vol-1')).toHaveLength(3);
  // What is said once is what the kind's rule names: another addition is another addition.
  await journal.enter([{ kind: 'add', number: 1, atMs: 0 }]);
  expect(await journal.enter([{ kind: 'add', number: 1, atMs: 0 }])).toBe(2);
});

it('has the same sum after an append that failed', async () => {
  const disk = new MemoryJournal();
  const journal = await BookJournal.open('vol-1', disk, summing);
  await journal.enter([{ kind: 'add', number: 1, atMs: 0 }]);
  disk.append = () => Promise.reject(new Error('the disk is full'));
  await expect(journal.enter([{ kind: 'add', number: 1, atMs: 0 }])).rejects.toThrow('full');
  expect(journal.book).toBe(1);
});
