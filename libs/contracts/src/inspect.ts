import { z } from 'zod';
import { cardIdSchema } from './ids.js';
import { observedLegSchema, observedVolumeSchema } from './observed.js';

/** An operator's question to an agent (`down.inspect`): what is observed right now. */
export const inspectQuestionSchema = z.strictObject({
  v: z.literal(1),
  to: z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema }),
});
export type InspectQuestion = z.infer<typeof inspectQuestionSchema>;

/** At most 100 of each, the first by id, so that an answer stays below MAX_MESSAGE_BYTES; `total` says how many there are. */
export const inspectAnswerSchema = z.strictObject({
  v: z.literal(1),
  total: z.int().min(0),
  volumes: z.array(observedVolumeSchema).max(100),
  legs: z.array(observedLegSchema).max(100),
});
export type InspectAnswer = z.infer<typeof inspectAnswerSchema>;
