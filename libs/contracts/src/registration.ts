import { z } from 'zod';
import { capabilitiesSchema, dataPlaneSchema } from './capabilities.js';
import { cardIdSchema, functionIdSchema, hostIdSchema, poolIdSchema } from './ids.js';
import { failureDomainSchema, labelsSchema } from './labels.js';
import { protocolSchema } from './layers.js';
import { MAX_QUARANTINE_REASON } from './limits.js';
import { sealingKeySchema } from './sealed.js';

export const cardFunctionSchema = z.strictObject({
  functionId: functionIdSchema,
  kind: z.enum(['pf', 'vf', 'hot-plug']),
  protocols: z.array(protocolSchema).min(1).max(3),
});
export type CardFunction = z.infer<typeof cardFunctionSchema>;

/** What a card can give, as budgets that placement spends. */
export const cardBudgetSchema = z.strictObject({
  iops: z.int().min(0),
  bytesPerSecond: z.int().min(0),
  memoryBytes: z.int().min(0),
  /** Hundredths of an ARM core; 800 is eight cores. */
  armCentiCores: z.int().min(0),
});
export type CardBudget = z.infer<typeof cardBudgetSchema>;

export const poolBudgetSchema = z.strictObject({
  capacityBytes: z.int().min(0),
  iops: z.int().min(0),
  bytesPerSecond: z.int().min(0),
});
export type PoolBudget = z.infer<typeof poolBudgetSchema>;

const registerCommon = {
  v: z.literal(1),
  sessionId: z.uuid(),
  sessionNumber: z.int().min(1),
  serial: z.string().min(1).max(64),
  model: z.string().min(1).max(64),
  agentVersion: z.string().min(1).max(32),
  hostId: hostIdSchema,
  failureDomain: failureDomainSchema,
  labels: labelsSchema,
  dataPlane: dataPlaneSchema,
  capabilities: capabilitiesSchema,
  sealingKey: sealingKeySchema,
};
export const registerCardSchema = z.strictObject({
  ...registerCommon,
  functions: z.array(cardFunctionSchema).max(2048),
  budget: cardBudgetSchema,
});
export const registerPoolSchema = z.strictObject({
  ...registerCommon,
  budget: poolBudgetSchema,
  /** `host`: only cards in the same host reach it; `network`: every card does. */
  reach: z.enum(['host', 'network']),
});
export type RegisterCard = z.infer<typeof registerCardSchema>;
export type RegisterPool = z.infer<typeof registerPoolSchema>;
export const registerReplySchema = z.strictObject({
  accepted: z.literal(true),
  leaseMs: z.int().min(1),
  heartbeatMs: z.int().min(1),
});

export const heartbeatSchema = z.strictObject({ v: z.literal(1), sessionId: z.uuid(), sessionNumber: z.int().min(1) });
/** `register`: inventory does not know this session (it restarted from nothing, or the session is new): register again. */
export const heartbeatReplySchema = z.strictObject({ accepted: z.boolean(), register: z.boolean() });

const snapshotCommon = {
  v: z.literal(1),
  revision: z.int().min(1),
  /** `quarantined`: it sent what no honest agent sends; nothing new is placed there. */
  state: z.enum(['ready', 'unreachable', 'quarantined']),
  /** Why it is quarantined, until an operator releases it; null: it is not. */
  quarantineReason: z.string().max(MAX_QUARANTINE_REASON).nullable().default(null),
  unreachableSinceMs: z.int().nullable(),
  cordoned: z.boolean(),
  registeredAtMs: z.int(),
  lastHeardAtMs: z.int(),
};
/** What inventory publishes of a card or pool (KV, for services), and what the API shows. */
export const cardSnapshotSchema = registerCardSchema.extend({ cardId: cardIdSchema, ...snapshotCommon });
export const poolSnapshotSchema = registerPoolSchema.extend({ poolId: poolIdSchema, ...snapshotCommon });
export type CardSnapshot = z.infer<typeof cardSnapshotSchema>;
export type PoolSnapshot = z.infer<typeof poolSnapshotSchema>;
