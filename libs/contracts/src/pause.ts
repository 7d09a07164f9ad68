import { z } from 'zod';
import { cardIdSchema } from './ids.js';

/** Beyond so many paused cards the fleet is what should be paused; all of them fit one message. */
export const MAX_PAUSES = 1_000;

/** While it stands, no step of a change that a person asked for begins there. */
export const pauseSchema = z.strictObject({
  /** Null: the whole fleet. */
  cardId: cardIdSchema.nullable(),
  by: z.string().max(100),
  sinceMs: z.int(),
});
export type Pause = z.infer<typeof pauseSchema>;

/** All that is paused; the fleet first, then cards by id. */
export const pauseListSchema = z.strictObject({ items: z.array(pauseSchema).max(MAX_PAUSES) });
export type PauseList = z.infer<typeof pauseListSchema>;
