import { cardIdSchema, failureDomainSchema, hostIdSchema, labelsSchema } from '@flexbso/contracts';
import { qsdCardConfigSchema, qsdPoolConfigSchema } from '@flexbso/dataplane-qsd';
import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

const absolutePath = z.string().max(400).refine(isAbsolute, 'an absolute path');
const memorySchema = z.strictObject({ driver: z.literal('memory') });

const timingsSchema = z.strictObject({
  /** Between two questions for the desired state: what a lost nudge costs at most. */
  beatMs: z.int().min(100).default(5_000),
  /** Between two looks at a volume at rest: how long a data plane that died goes unnoticed. */
  cardLookMs: z.int().min(100).default(5_000),
  /** Between two looks at a leg: a holder's I/O waits for a daemon that died, 30 s at most, so this is short. */
  poolLookMs: z.int().min(100).default(2_000),
  measureMs: z.int().min(100).default(10_000),
  /** For one request. Services answer in milliseconds; longer means that nobody does, and it is asked again. */
  requestTimeoutMs: z.int().min(100).default(2_000),
});

const common = {
  /** The card's or pool's own id; also its name on the bus. */
  id: cardIdSchema,
  serial: z.string().min(1).max(64),
  hostId: hostIdSchema,
  model: z.string().min(1).max(64),
  failureDomain: failureDomainSchema,
  labels: labelsSchema.default({}),
  nats: z.strictObject({
    servers: z.array(z.string().min(1).max(200)).min(1).max(16),
    /** The seed of this agent's identity on the bus; mode 0600. */
    seedFile: absolutePath,
    tls: z
      .strictObject({
        caFile: absolutePath.exactOptional(),
        certFile: absolutePath.exactOptional(),
        keyFile: absolutePath.exactOptional(),
      })
      .exactOptional(),
  }),
  /** The seed that volume keys are sealed for; mode 0600, made at the first start. */
  sealingSeedFile: absolutePath,
  /** Journal and last state; one agent to a folder. Must survive restarts of the machine. */
  stateDirectory: absolutePath,
  timings: timingsSchema.default(() => timingsSchema.parse({})),
};

export const agentConfigSchema = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('card'),
    ...common,
    dataPlane: z.discriminatedUnion('driver', [qsdCardConfigSchema.extend({ driver: z.literal('qsd') }), memorySchema]),
  }),
  z.strictObject({
    role: z.literal('pool'),
    ...common,
    // The pool's id is the agent's own. The driver judges the whole, listening addresses included.
    dataPlane: z.union([memorySchema, z.looseObject({ driver: z.literal('qsd') })]),
  }),
]);
export type AgentConfig = z.infer<typeof agentConfigSchema>;

/** A pool's QSD configuration, with the agent's id as the pool's. */
export function qsdPoolConfigOf(
  id: string,
  dataPlane: Readonly<Record<string, unknown>>,
): z.infer<typeof qsdPoolConfigSchema> {
  const { driver: _driver, ...own } = dataPlane;
  const result = qsdPoolConfigSchema.safeParse({ ...own, poolId: id });
  if (result.success) return result.data;
  throw new ConfigError(`dataPlane: ${z.prettifyError(result.error)}`);
}

/** The configuration cannot be used; the message names each field. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'invalid_config';
}

/** Reads and judges the configuration, once. Throws ConfigError naming every unknown or wrong field. */
export async function readConfig(path: string): Promise<AgentConfig> {
  const value = parseJson(path, await readFile(path, 'utf8'));
  const result = agentConfigSchema.safeParse(value);
  if (!result.success) throw new ConfigError(`${path}: ${z.prettifyError(result.error)}`);
  const { data } = result;
  if (data.role === 'pool' && data.dataPlane.driver === 'qsd') qsdPoolConfigOf(data.id, data.dataPlane);
  return Object.freeze(data);
}

function parseJson(path: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    throw new ConfigError(`${path} is not JSON`, { cause });
  }
}
