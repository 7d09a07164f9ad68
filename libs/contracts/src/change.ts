import { z } from 'zod';
import { changeIdSchema, volumeIdSchema } from './ids.js';
import { outageSchema } from './outage.js';
import { planSchema } from './plan.js';
import { problemSchema } from './problems.js';
import { progressSchema, stepOutcomeSchema } from './report.js';

/**
 * A change's way: preparing (pools make the new legs) → applying (the card works) → retiring (the card
 * carries the new generation; what only the old needed goes) → settled. Before the cut-over it may turn
 * to undoing → undone. `refused`: never begun. `needs-operator`: stopped where nothing may be guessed.
 */
export const changeStateSchema = z.enum([
  'preparing',
  'applying',
  'retiring',
  'settled',
  'undoing',
  'undone',
  'refused',
  'needs-operator',
]);
export type ChangeState = z.infer<typeof changeStateSchema>;
export const finalChangeStates: readonly ChangeState[] = ['settled', 'undone', 'refused'];

/** A step of the plan with what became of it. */
export const changeStepSchema = z.strictObject({
  actor: z.strictObject({ role: z.enum(['card', 'pool']), id: z.string() }),
  ...stepOutcomeSchema.shape,
});

export const changeSchema = z.strictObject({
  changeId: changeIdSchema,
  volumeId: volumeIdSchema,
  /** `adopt`: after a restore, the books took over what runs. */
  kind: z.enum(['create', 'change', 'delete', 'heal', 'failover', 'adopt']),
  /** What differs, in words of the API: labels, qos, size, stack, pools, key, alwaysRedundant. */
  differences: z.array(z.string()).max(16),
  fromGeneration: z.int().min(0),
  toGeneration: z.int().min(1),
  state: changeStateSchema,
  plan: planSchema,
  steps: z.array(changeStepSchema).max(200),
  progress: progressSchema.nullable(),
  waitingFor: z.string().nullable(),
  waitingSinceMs: z.int().nullable(),
  bytesCopied: z.int().min(0),
  problem: problemSchema.nullable(),
  /** Of a `heal`: how long the volume's I/O was away, and whether the guest must reset its device. */
  outage: outageSchema.nullable(),
  requestedBy: z.string(),
  traceId: z.string().nullable(),
  createdAtMs: z.int(),
  appliedAtMs: z.int().nullable(),
  settledAtMs: z.int().nullable(),
});
export type Change = z.infer<typeof changeSchema>;
