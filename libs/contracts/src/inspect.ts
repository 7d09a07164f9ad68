import { z } from 'zod';
import { desiredLegSchema, desiredVolumeSchema } from './desired.js';
import { cardIdSchema } from './ids.js';
import { observedLegSchema, observedVolumeSchema } from './observed.js';

/** Things that one answer tells of at most: what is observed and what was given, some 3 kB each; fewer where these are larger. */
export const MAX_INSPECTED = 50;

/** An operator's question to an agent (`down.inspect`): what is observed right now, and what it was last given. */
export const inspectQuestionSchema = z.strictObject({
  v: z.literal(1),
  to: z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema }),
  /** Goes on after this volume or leg, as `next` of the answer before said. */
  after: cardIdSchema.optional(),
});
export type InspectQuestion = z.infer<typeof inspectQuestionSchema>;

/** Some of what there is, in the order of ids. */
export const inspectAnswerSchema = z.strictObject({
  v: z.literal(1),
  /** How many run, or lie, here; those of other answers too. */
  total: z.int().min(0),
  volumes: z.array(observedVolumeSchema).max(MAX_INSPECTED),
  legs: z.array(observedLegSchema).max(MAX_INSPECTED),
  /** Which life of the scheduler's database the agent follows, and up to which revision; null: none yet. */
  incarnation: z.uuid().nullable(),
  revision: z.int().min(0),
  /** What the agent was last given: what it keeps making true while it is diverged. */
  given: z.strictObject({
    volumes: z.array(desiredVolumeSchema).max(MAX_INSPECTED),
    legs: z.array(desiredLegSchema).max(MAX_INSPECTED),
  }),
  /** Where the next answer begins; null: this was the last. */
  next: cardIdSchema.nullable(),
});
export type InspectAnswer = z.infer<typeof inspectAnswerSchema>;
