import { busConfigSchema, readConfiguration } from '@flexbso/configuration';
import { cardIdSchema, failureDomainSchema, hostIdSchema, labelsSchema } from '@flexbso/contracts';
import { qsdCardConfigSchema, qsdPoolConfigSchema } from '@flexbso/dataplane-qsd';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

const absolutePath = z.string().max(400).refine(isAbsolute, 'an absolute path');
const memorySchema = z.strictObject({ driver: z.literal('memory') });

const timingsSchema = z.strictObject({
  /** Between two questions for the desired state: what a lost nudge costs at most. */
  beatMs: z.int().min(100).default(5_000),
  /** Between two looks at a volume at rest. A data plane that dies is seen at once: a look finds what nobody told of. */
  cardLookMs: z.int().min(100).default(15_000),
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
  nats: busConfigSchema.extend({
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

const cardConfigSchema = z.strictObject({
  role: z.literal('card'),
  ...common,
  dataPlane: z.discriminatedUnion('driver', [qsdCardConfigSchema.extend({ driver: z.literal('qsd') }), memorySchema]),
});

const poolConfigSchema = z
  .strictObject({
    role: z.literal('pool'),
    ...common,
    // The pool's id is the agent's own. The driver judges the whole, listening addresses included.
    dataPlane: z.union([memorySchema, z.looseObject({ driver: z.literal('qsd') })]),
  })
  .transform(({ dataPlane, ...config }, context) => {
    if (dataPlane.driver === 'memory') return { ...config, dataPlane };
    const { driver, ...own } = dataPlane;
    const judged = qsdPoolConfigSchema.safeParse({ ...own, poolId: config.id });
    if (judged.success) return { ...config, dataPlane: { driver, ...judged.data } };
    for (const { path, message } of judged.error.issues)
      context.addIssue({ code: 'custom', path: ['dataPlane', ...path], message });
    return z.NEVER;
  });

export const agentConfigSchema = z.discriminatedUnion('role', [cardConfigSchema, poolConfigSchema]);
export type AgentConfig = z.infer<typeof agentConfigSchema>;

/** Reads and checks the file. @throws ProblemError naming the file and every wrong field. */
export const readAgentConfig = (path: string): AgentConfig => readConfiguration(path, agentConfigSchema);
