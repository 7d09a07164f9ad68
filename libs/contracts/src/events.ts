import { z } from 'zod';

/** A fact on the event stream. Holds no secret; `data` is small and flat. */
export const eventSchema = z.strictObject({
  v: z.literal(1),
  /** Also the message id: the same event published twice is one event. */
  eventId: z.string().min(1).max(64),
  kind: z.enum(['card', 'pool', 'volume', 'change', 'service']),
  id: z.string().min(1).max(64),
  /** What happened, as in the subject: registered, created, applied, ... */
  what: z.string().regex(/^[a-z][a-z-]{0,40}$/),
  atMs: z.int(),
  /** Who asked: a token's name, an agent's id, or the service itself. */
  by: z.string().max(100),
  tenantId: z.string().max(40).nullable(),
  traceId: z.string().max(32).nullable(),
  data: z.record(z.string(), z.json()),
});
export type BsoEvent = z.infer<typeof eventSchema>;
