import { type Problem, operationIdSchema, poolStepSchema, problemSchema } from '@flexbso/contracts';
import { z } from 'zod';

/** What the journal of a leg must tell that the pool itself does not: what was begun for whom, and what failed. */
export const legEntrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('intent'), operationId: operationIdSchema, step: poolStepSchema, atMs: z.int() }),
  z.strictObject({ kind: z.literal('done'), operationId: operationIdSchema, stepKind: z.string(), atMs: z.int() }),
  z.strictObject({ kind: z.literal('ready'), operationId: operationIdSchema, atMs: z.int() }),
  z.strictObject({ kind: z.literal('failed'), operationId: operationIdSchema, problem: problemSchema, atMs: z.int() }),
]);
export type LegEntry = z.infer<typeof legEntrySchema>;

export interface LegBook {
  /** The operation under which the leg's creation was begun; null: it is older than this journal. */
  readonly createdBy: string | null;
  /** It was served to its holder: from then on it may hold the guest's data, and nothing undoes its creation. */
  readonly wasReady: boolean;
  readonly failed: { readonly operationId: string; readonly problem: Problem } | null;
}

export function foldLegBook(entries: readonly LegEntry[]): LegBook {
  return entries.reduce<LegBook>(entered, { createdBy: null, wasReady: false, failed: null });
}

export function entered(book: LegBook, entry: LegEntry): LegBook {
  switch (entry.kind) {
    case 'intent':
      return entry.step.kind === 'create-leg' ? { ...book, createdBy: entry.operationId, failed: null } : book;
    case 'done':
      return book;
    case 'ready':
      return { ...book, wasReady: true, failed: null };
    default:
      return { createdBy: null, wasReady: false, failed: { operationId: entry.operationId, problem: entry.problem } };
  }
}
