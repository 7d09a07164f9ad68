import { z } from 'zod';
import { legIdSchema, operationIdSchema, volumeIdSchema } from './ids.js';
import { legAccessSchema, legAddressSchema } from './desired.js';
import { legFaultsSchema } from './leg-fault.js';
import { observedVolumeSchema } from './observed.js';
import { outageSchema } from './outage.js';
import { problemSchema } from './problems.js';

/** One step as it went; times in ms since the epoch. */
export const stepOutcomeSchema = z.strictObject({
  index: z.int().min(0),
  kind: z.string().max(40),
  outcome: z.enum(['done', 'undone', 'failed', 'running']),
  startedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
});
export type StepOutcome = z.infer<typeof stepOutcomeSchema>;

export const progressSchema = z.strictObject({ doneBytes: z.int().min(0), totalBytes: z.int().min(0) });

/**
 * Where a volume stands on its card.
 * - working: steps are under way; `step` and `waitingFor` say which.
 * - applied: the wanted stack carries the guest.
 * - settled: and all that only older generations needed is closed (`closedLegIds`).
 * - undone: the change failed before its cut-over; the guest is as before.
 * - refused, plan-changed: not begun; `problem` says why.
 * - needs-operator: observation contradicts the journal; nothing is touched.
 * - gone: the tombstone is carried out; every leg is closed.
 */
export const volumePhaseSchema = z.enum([
  'working',
  'applied',
  'settled',
  'undone',
  'refused',
  'plan-changed',
  'needs-operator',
  'gone',
]);
export type VolumePhase = z.infer<typeof volumePhaseSchema>;

export const volumeReportSchema = z.strictObject({
  volumeId: volumeIdSchema,
  operationId: operationIdSchema,
  generation: z.int().min(1),
  phase: volumePhaseSchema,
  steps: z.array(stepOutcomeSchema).max(100),
  progress: progressSchema.nullable(),
  waitingFor: z.string().max(300).nullable(),
  waitingSinceMs: z.int().nullable(),
  /** Legs that this card no longer has open and will not open again. */
  closedLegIds: z.array(legIdSchema).max(64),
  bytesCopied: z.int().min(0),
  /** How the guest, or a client on the card's host, reaches the volume. */
  uri: z.string().max(500).nullable(),
  problem: problemSchema.nullable(),
  observed: observedVolumeSchema.nullable(),
  /** The last one that this card knows of, said again with every report. */
  outage: outageSchema.nullable(),
  /** What this life of the agent was told of bad legs, said again with every report. */
  legFaults: legFaultsSchema,
});
export type VolumeReport = z.infer<typeof volumeReportSchema>;

/** Where a leg stands on its pool. `failed`: `problem` says why; nothing of it is left. */
export const legReportSchema = z.strictObject({
  legId: legIdSchema,
  operationId: operationIdSchema,
  phase: z.enum(['working', 'ready', 'deleted', 'failed']),
  epoch: z.int().min(0),
  sizeBytes: z.int().min(0),
  allocatedBytes: z.int().min(0),
  address: legAddressSchema.nullable(),
  access: legAccessSchema,
  steps: z.array(stepOutcomeSchema).max(20),
  problem: problemSchema.nullable(),
});
export type LegReport = z.infer<typeof legReportSchema>;

const reportCommon = {
  v: z.literal(1),
  sessionId: z.uuid(),
  sessionNumber: z.int().min(1),
  incarnation: z.uuid(),
  /** The revision that the agent has; the scheduler sees from it who is behind. */
  revision: z.int().min(0),
  /** Set when the agent was answered by another incarnation or an older revision: it acts on nothing new. */
  diverged: z.string().max(500).nullable(),
};
export const cardReportSchema = z.strictObject({ ...reportCommon, volumes: z.array(volumeReportSchema).max(200) });
export const poolReportSchema = z.strictObject({ ...reportCommon, legs: z.array(legReportSchema).max(200) });
export type CardReport = z.infer<typeof cardReportSchema>;
export type PoolReport = z.infer<typeof poolReportSchema>;

/** `accepted`: what the scheduler has committed; an entry with an unknown or old operation id is answered as stale and needs no repeat. */
export const reportReplySchema = z.strictObject({
  accepted: z.literal(true),
  staleOperationIds: z.array(operationIdSchema).max(400),
});
