import { z } from 'zod';
import { legIdSchema } from './ids.js';

/** How a leg is bad: it holds something else than most legs of its mirror, or an operation on it failed. */
export const legFaultKindSchema = z.enum(['differs', 'read-failed', 'write-failed', 'flush-failed']);
export type LegFaultKind = z.infer<typeof legFaultKindSchema>;

/** All that was found wrong with one leg, of one kind. */
export const legFaultSchema = z.strictObject({
  legId: legIdSchema,
  kind: legFaultKindSchema,
  /** The span that holds everything found; from the leg's own start, in which an encryption header may come first. */
  offsetBytes: z.int().min(0),
  lengthBytes: z.int().min(0),
  /** How often the data plane told of it. It may tell of many blocks at once, so this is no count of bad blocks. */
  findings: z.int().min(1),
  firstAtMs: z.int(),
  lastAtMs: z.int(),
  /** The majority's content was written over what differed, and nothing was found since. */
  repaired: z.boolean(),
});
export type LegFault = z.infer<typeof legFaultSchema>;

/** Three legs of four kinds each, in the two stacks of a swap: 24. */
export const MAX_LEG_FAULTS = 32;
export const legFaultsSchema = z.array(legFaultSchema).max(MAX_LEG_FAULTS).default([]);

/** Legs that carry a volume and are known to be bad: a mirror goes on with the others. */
export const degradedSchema = z.strictObject({ sinceMs: z.int(), legIds: z.array(legIdSchema).max(MAX_LEG_FAULTS) });
export type Degraded = z.infer<typeof degradedSchema>;
