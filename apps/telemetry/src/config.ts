import { busConfigSchema, listenSchema, readConfiguration } from '@flexbso/configuration';
import { z } from 'zod';

const dayMs = 86_400_000;

/**
 * Telemetry's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a default.
 * A port of 0 binds any free one; the ready line says which.
 */
export const telemetryConfigSchema = z.strictObject({
  nats: busConfigSchema,
  /** `sqlite:///absolute/path.db` or `postgres://…`. */
  databaseUrl: z.string().min(1),
  health: listenSchema,
  /** Where spans are taken, at `/v1/traces`. Nobody is asked who he is, so it is for the machine only by default. */
  otlp: listenSchema.extend({ port: listenSchema.shape.port.default(4318) }).default({ host: '127.0.0.1', port: 4318 }),
  /** A span is about a kilobyte: 300 MB, or three days, of which an incident is looked at on the first. */
  spans: z
    .strictObject({
      maxCount: z.int().min(1).default(300_000),
      keepMs: z
        .int()
        .min(1)
        .default(3 * dayMs),
    })
    .default({ maxCount: 300_000, keepMs: 3 * dayMs }),
  /** Who did what is asked for long after: more than a year, up to 2 GB. */
  audit: z
    .strictObject({
      maxCount: z.int().min(1).default(4_000_000),
      keepMs: z
        .int()
        .min(1)
        .default(400 * dayMs),
    })
    .default({ maxCount: 4_000_000, keepMs: 400 * dayMs }),
});
export type TelemetryConfig = z.infer<typeof telemetryConfigSchema>;

/** Reads and checks the file. @throws ProblemError naming the file and every wrong field. */
export const readTelemetryConfig = (path: string): TelemetryConfig => readConfiguration(path, telemetryConfigSchema);
