import { readFileSync } from 'node:fs';
import { problemOfParse, ProblemError } from '@flexbso/contracts';
import { z } from 'zod';

const address = z.strictObject({ host: z.string().min(1).default('127.0.0.1'), port: z.int().min(0).max(65535) });

/**
 * The gateway's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a
 * default. A port of 0 binds any free one; the ready line says which.
 */
export const gatewayConfigSchema = z.strictObject({
  nats: z.strictObject({ servers: z.array(z.string().min(1)).min(1), seedFile: z.string().min(1) }),
  listen: address,
  /** Who may use the API: `tokens/token-file.ts`. */
  tokensFile: z.string().min(1),
  /** `/healthz`, `/readyz` and `/metrics` on a port of their own, without a token. */
  health: address.optional(),
});
export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;

/** Reads and checks the file. @throws ProblemError `malformed-json` or `invalid-request`, naming file and field. */
export function readGatewayConfig(path: string): GatewayConfig {
  const parsed = gatewayConfigSchema.safeParse(jsonOf(path));
  if (!parsed.success) throw new ProblemError(problemOfParse(path, parsed.error));
  return parsed.data;
}

function jsonOf(path: string): unknown {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProblemError({ code: 'malformed-json', detail: `${path} is not JSON` }, { cause });
  }
}
