import { z } from 'zod';
import { changeIdSchema, volumeIdSchema } from './ids.js';
import { outageSchema } from './outage.js';
import { pauseSchema } from './pause.js';
import { planSchema } from './plan.js';
import { problemSchema } from './problems.js';
import { progressSchema, stepOutcomeSchema } from './report.js';

/**
 * A change's way: preparing (pools make the new legs) → applying (the card works) → retiring (the card
 * carries the new generation; what only the old needed goes) → settled. Before the cut-over it may turn
 * to undoing → undone. `refused`: never begun. `needs-operator`: stopped where nothing may be guessed.
 * `queued`: it begins when the change before it is over; its plan is made then.
 */
export const changeStateSchema = z.enum([
  'queued',
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

/**
 * Somebody asked that the change be taken back. `undone`: it was. `cut-over-passed`: the card had passed the point from
 * which a change is only ever completed, so it was completed. Null: the card has not said yet.
 */
export const cancelSchema = z.strictObject({
  by: z.string(),
  atMs: z.int(),
  outcome: z.enum(['undone', 'cut-over-passed']).nullable(),
});
export type Cancel = z.infer<typeof cancelSchema>;

/** A step that takes, or is waited for, longer than its kind's limit; `sinceMs` is when the limit was reached. */
export const overdueSchema = z.strictObject({
  /** The step's kind; `report` or `undo` where the card has no step of the plan to do. */
  step: z.string().max(40),
  limitMs: z.int().min(1),
  sinceMs: z.int(),
});
export type Overdue = z.infer<typeof overdueSchema>;

export const changeSchema = z.strictObject({
  changeId: changeIdSchema,
  volumeId: volumeIdSchema,
  /** `heal`: its card built it again (`outage`), or a bad leg is replaced. `adopt`: after a restore, the books took over what runs. */
  kind: z.enum([
    'create',
    'change',
    'delete',
    'heal',
    'failover',
    'adopt',
    'detach',
    'attach',
    'snapshot',
    'delete-snapshot',
    'rollback',
  ]),
  /** What differs, in words of the API: labels, qos, size, stack, pools, key, alwaysRedundant, snapshot, content, attached, card, function. */
  differences: z.array(z.string()).max(16),
  fromGeneration: z.int().min(0),
  toGeneration: z.int().min(1),
  state: changeStateSchema,
  plan: planSchema,
  steps: z.array(changeStepSchema).max(200),
  progress: progressSchema.nullable(),
  waitingFor: z.string().nullable(),
  waitingSinceMs: z.int().nullable(),
  /** The step that outlives its limit; null: none does. */
  overdue: overdueSchema.nullable().default(null),
  /** The pause that holds it; null: none does. */
  paused: pauseSchema.nullable().default(null),
  cancel: cancelSchema.nullable().default(null),
  bytesCopied: z.int().min(0),
  problem: problemSchema.nullable(),
  /** Of a `heal` by its card: how long the volume's I/O was away, and whether the guest must reset its device. */
  outage: outageSchema.nullable(),
  requestedBy: z.string(),
  traceId: z.string().nullable(),
  createdAtMs: z.int(),
  appliedAtMs: z.int().nullable(),
  settledAtMs: z.int().nullable(),
});
export type Change = z.infer<typeof changeSchema>;
