import { busConfigSchema, listenSchema, readConfiguration } from '@flexbso/configuration';
import { z } from 'zod';

/**
 * The gateway's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a
 * default. A port of 0 binds any free one; the ready line says which.
 */
export const gatewayConfigSchema = z.strictObject({
  nats: busConfigSchema,
  listen: listenSchema,
  /** Who may use the API: `tokens/token-file.ts`. */
  tokensFile: z.string().min(1),
  /** `/healthz`, `/readyz` and `/metrics` on a port of their own, without a token. */
  health: listenSchema.optional(),
});
export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;

/** Reads and checks the file. @throws ProblemError naming the file and every wrong field. */
export const readGatewayConfig = (path: string): GatewayConfig => readConfiguration(path, gatewayConfigSchema);
