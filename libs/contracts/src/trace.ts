import { z } from 'zod';

/** One span as telemetry stores it; times in ms since the epoch, with fractions. */
export const spanSchema = z.strictObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().nullable(),
  service: z.string(),
  name: z.string(),
  kind: z.enum(['internal', 'server', 'client', 'producer', 'consumer']),
  startMs: z.number(),
  endMs: z.number(),
  error: z.string().nullable(),
  attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type Span = z.infer<typeof spanSchema>;

/**
 * A trace. `orphanSpanIds`: spans whose parent is not there; empty in a complete trace. `truncated`: it has more spans
 * than are answered; these are the first of them.
 */
export const traceSchema = z.strictObject({
  traceId: z.string(),
  spans: z.array(spanSchema),
  orphanSpanIds: z.array(z.string()),
  truncated: z.boolean().default(false),
});
export type Trace = z.infer<typeof traceSchema>;
