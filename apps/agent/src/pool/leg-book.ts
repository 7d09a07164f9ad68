import { desiredLegSchema, operationIdSchema, poolStepSchema, problemSchema } from '@flexbso/contracts';
import { z } from 'zod';

const legBookSchema = z.strictObject({
  /** The operation under which the leg's creation was begun; null: it is older than this journal. */
  createdBy: operationIdSchema.nullable(),
  /** It was served to its holder: from then on it may hold the guest's data, and nothing undoes its creation. */
  wasReady: z.boolean(),
  failed: z.strictObject({ operationId: operationIdSchema, problem: problemSchema }).nullable(),
  /** The order to delete it: any older wish for it, which a kept state may still have, is past. */
  tombstone: desiredLegSchema.nullable().default(null),
  /** For what the last step was begun: the state, which is saved a moment later, may not know it after a crash. */
  begun: desiredLegSchema.nullable().default(null),
});
/** What the journal of a leg tells that the pool itself does not; the sum of its entries. */
export type LegBook = z.infer<typeof legBookSchema>;

export const emptyLegBook: LegBook = { createdBy: null, wasReady: false, failed: null, tombstone: null, begun: null };

/** What was begun for whom, and what failed. */
export const legEntrySchema = z.discriminatedUnion('kind', [
  /** Stands for all entries before it. */
  z.strictObject({ kind: z.literal('book'), book: legBookSchema }),
  z.strictObject({
    kind: z.literal('intent'),
    operationId: operationIdSchema,
    step: poolStepSchema,
    // Written before it was kept: null.
    desired: desiredLegSchema.nullable().default(null),
    atMs: z.int(),
  }),
  z.strictObject({ kind: z.literal('done'), operationId: operationIdSchema, stepKind: z.string(), atMs: z.int() }),
  z.strictObject({ kind: z.literal('ready'), operationId: operationIdSchema, atMs: z.int() }),
  z.strictObject({ kind: z.literal('tombstone'), tombstone: desiredLegSchema, atMs: z.int() }),
  z.strictObject({ kind: z.literal('failed'), operationId: operationIdSchema, problem: problemSchema, atMs: z.int() }),
]);
export type LegEntry = z.infer<typeof legEntrySchema>;

export function foldLegBook(entries: readonly LegEntry[], from: LegBook = emptyLegBook): LegBook {
  return entries.reduce(entered, from);
}

function entered(book: LegBook, entry: LegEntry): LegBook {
  switch (entry.kind) {
    case 'book':
      return entry.book;
    case 'intent': {
      const begun = { ...book, begun: entry.desired ?? book.begun };
      return entry.step.kind === 'create-leg' ? { ...begun, createdBy: entry.operationId, failed: null } : begun;
    }
    case 'done':
      return book;
    case 'ready':
      return { ...book, wasReady: true, failed: null };
    case 'tombstone':
      return { ...book, tombstone: entry.tombstone };
    default:
      return {
        ...book,
        createdBy: null,
        wasReady: false,
        failed: { operationId: entry.operationId, problem: entry.problem },
      };
  }
}
