import { z } from 'zod';
import { cardIdSchema, functionIdSchema, keyRefSchema, legIdSchema, poolIdSchema, volumeIdSchema } from './ids.js';
import { compressionAlgorithmSchema, layerSchema, protocolSchema, qosLimitsSchema } from './layers.js';
import { MAX_DESTROYED } from './limits.js';

/**
 * Steps of a plan. Arguments hold only what is known when planning (ids, sizes, limits), never an
 * address or a key, so that the same plan has the same digest wherever it is computed.
 */
const stackGeneration = z.int().min(1);
const sizeBytes = z.int().min(1);

/** Steps that a pool's agent carries out on one leg. */
export const poolStepSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('create-leg'),
    legId: legIdSchema,
    sizeBytes,
    compression: compressionAlgorithmSchema.optional(),
  }),
  z.strictObject({
    kind: z.literal('serve-leg'),
    legId: legIdSchema,
    epoch: z.int().min(1),
    holderCardId: cardIdSchema,
  }),
  z.strictObject({ kind: z.literal('grow-leg'), legId: legIdSchema, fromSizeBytes: sizeBytes, sizeBytes }),
  /** Raises the epoch: whoever held the leg is cut off and cannot come back. */
  z.strictObject({
    kind: z.literal('fence-leg'),
    legId: legIdSchema,
    fromEpoch: z.int().min(1),
    epoch: z.int().min(1),
  }),
  z.strictObject({ kind: z.literal('stop-serving-leg'), legId: legIdSchema }),
  z.strictObject({ kind: z.literal('delete-leg'), legId: legIdSchema }),
]);
export type PoolStep = z.infer<typeof poolStepSchema>;
export type PoolStepKind = PoolStep['kind'];

/** Steps that a card's agent carries out on one volume. */
export const cardStepSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('start-data-plane') }),
  z.strictObject({
    kind: z.literal('open-leg'),
    stackGeneration,
    legId: legIdSchema,
    epoch: z.int().min(1),
    sizeBytes,
  }),
  /** Writes an encryption header onto fresh legs. Only ever onto legs that read as zeros. */
  z.strictObject({
    kind: z.literal('format-encryption'),
    stackGeneration,
    keyRef: keyRefSchema,
    legIds: z.array(legIdSchema).min(1),
  }),
  /** `sizeBytes`: of what lies beneath no more than that is shown; absent beneath an overlay, which needs all of it. */
  z.strictObject({
    kind: z.literal('open-encryption'),
    stackGeneration,
    keyRef: keyRefSchema,
    sizeBytes: sizeBytes.optional(),
  }),
  z.strictObject({
    kind: z.literal('build-redundancy'),
    stackGeneration,
    layer: layerSchema,
    legIds: z.array(legIdSchema).min(1),
  }),
  z.strictObject({ kind: z.literal('build-compression'), stackGeneration, layer: layerSchema }),
  /**
   * Shows what comes to stand on the stack only its first `sizeBytes`: a copy's target has exactly the source's size,
   * and this one is to grow. Ends with `grow-head`.
   */
  z.strictObject({ kind: z.literal('build-window'), stackGeneration, sizeBytes }),
  /** Makes the legs' stack an empty overlay: what is written from now on lies there. Only ever onto what reads as zeros. */
  z.strictObject({
    kind: z.literal('format-overlay'),
    stackGeneration,
    /** What the overlay shows: the volume's size. */
    sizeBytes,
    legIds: z.array(legIdSchema).min(1),
  }),
  /** Opens the overlay over another stack, which is read and never written through it. */
  z.strictObject({ kind: z.literal('build-overlay'), stackGeneration, baseStackGeneration: stackGeneration }),
  z.strictObject({ kind: z.literal('build-head'), stackGeneration, sizeBytes, qos: qosLimitsSchema.nullable() }),
  z.strictObject({ kind: z.literal('export-volume'), protocol: protocolSchema, functionId: functionIdSchema }),
  z.strictObject({ kind: z.literal('set-limits'), from: qosLimitsSchema.nullable(), to: qosLimitsSchema.nullable() }),
  /** A copy reads through the head and would spend the tenant's budget: the head's limits are widened by the copy's rate. */
  z.strictObject({ kind: z.literal('widen-limits'), from: qosLimitsSchema, copyBytesPerSecond: z.int().min(1) }),
  z.strictObject({ kind: z.literal('restore-limits'), to: qosLimitsSchema.nullable() }),
  /** Starts the synchronous copy into the new stack and waits until both are the same. */
  z.strictObject({
    kind: z.literal('copy'),
    fromStackGeneration: stackGeneration,
    toStackGeneration: stackGeneration,
    bytes: sizeBytes,
    copyBytesPerSecond: z.int().min(1),
    /** There when the target is the overlay's own base: only what was written since is copied, and the base is no snapshot any more. */
    commits: z.literal(true).optional(),
  }),
  z.strictObject({
    kind: z.literal('cut-over'),
    fromStackGeneration: stackGeneration,
    toStackGeneration: stackGeneration,
    /** There when the new stack is an overlay on the old: it has everything from the start, so there is no copy. */
    onto: z.literal('overlay').optional(),
  }),
  z.strictObject({
    kind: z.literal('grow-head'),
    fromSizeBytes: sizeBytes,
    sizeBytes,
    /** There when the head stands on a window, which goes with this step: the rest of a swap to larger legs. */
    endsWindow: z.literal(true).optional(),
  }),
  z.strictObject({ kind: z.literal('unexport-volume'), protocol: protocolSchema, functionId: functionIdSchema }),
  /** Closes every node of a stack that the head does not use. */
  z.strictObject({
    kind: z.literal('close-stack'),
    stackGeneration,
    legIds: z.array(legIdSchema),
    keyRef: keyRefSchema.nullable(),
    /** What is closed, as observed: a stack that is not the expected one gives another plan. Drivers need none of it. */
    legEpochs: z.array(z.int().min(1)).optional(),
    layers: z.array(layerSchema).optional(),
    windowBytes: z.int().min(1).optional(),
    baseStackGeneration: stackGeneration.optional(),
  }),
  z.strictObject({
    kind: z.literal('stop-data-plane'),
    /** There when its legs are fenced: it ends with all that is open and whoever is attached, since no I/O can complete. */
    evenIfAttached: z.literal(true).optional(),
  }),
]);
export type CardStep = z.infer<typeof cardStepSchema>;
export type CardStepKind = CardStep['kind'];

const stepCommon = {
  /** What undoes it, in words of the same table; null: nothing to undo, or never undone (the cut-over and after). */
  undo: z.string().max(40).nullable(),
  /** Exactly one step of a swap: before it everything is undone, from it on everything is completed. */
  cutOver: z.boolean(),
  /** What this step makes unrecoverable, for example `leg leg-0123456789` or `key key-0123456789`. */
  destroys: z.array(z.string().max(80)).max(16),
};
export const plannedCardStepSchema = z.strictObject({
  actor: z.strictObject({ role: z.literal('card'), id: cardIdSchema }),
  volumeId: volumeIdSchema,
  step: cardStepSchema,
  ...stepCommon,
});
export const plannedPoolStepSchema = z.strictObject({
  actor: z.strictObject({ role: z.literal('pool'), id: poolIdSchema }),
  volumeId: volumeIdSchema,
  step: poolStepSchema,
  ...stepCommon,
});
export const plannedStepSchema = z.union([plannedCardStepSchema, plannedPoolStepSchema]);
export type PlannedCardStep = z.infer<typeof plannedCardStepSchema>;
export type PlannedPoolStep = z.infer<typeof plannedPoolStepSchema>;
export type PlannedStep = z.infer<typeof plannedStepSchema>;

/**
 * A step as it is shown to whoever decides on the plan. No digest covers these two, so that other words for the same
 * step are no other plan. The defaults: a change from before there were any.
 */
const shown = {
  /** What it does, in one sentence. */
  does: z.string().max(1000).default(''),
  /** How long it usually takes. */
  expectedSeconds: z.number().min(0).default(0),
};
export const shownStepSchema = z.union([plannedCardStepSchema.extend(shown), plannedPoolStepSchema.extend(shown)]);
export type ShownStep = z.infer<typeof shownStepSchema>;

/** SHA-256 of the canonical JSON of what is bound (without what is only shown), in hex. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits');

/** What a plan makes unrecoverable: what its steps do, and snapshots, by name and id. */
const destroyedSchema = z.array(z.string().max(120)).max(MAX_DESTROYED);

/** What an accepted plan binds the card's agent to. */
export const acceptedPlanSchema = z.strictObject({
  digest: digestSchema,
  cutOver: z.boolean(),
  destroys: destroyedSchema,
});
export type AcceptedPlan = z.infer<typeof acceptedPlanSchema>;

const amount = z.int().min(0);
/** What is held of a card or pool. A pool has no memory and no ARM time to hold, a card no capacity: those are 0. */
export const roomSchema = z.strictObject({
  capacityBytes: amount,
  iops: amount,
  bytesPerSecond: amount,
  memoryBytes: amount,
  /** Hundredths of an ARM core. */
  armCentiCores: amount,
});
export type Room = z.infer<typeof roomSchema>;

const functionIdsSchema = z.array(functionIdSchema).max(8);

/** What the volume holds of one card or pool before the change, while it is under way, and once it is settled. */
export const planReservationSchema = z.strictObject({
  owner: z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema }),
  /** Of a card: the function that is held in the end, or was. */
  functionId: functionIdSchema.nullable(),
  /** Of a card: all that are held. A volume that moves to another function holds both meanwhile. */
  functionIds: z
    .strictObject({ before: functionIdsSchema, during: functionIdsSchema, after: functionIdsSchema })
    .default({ before: [], during: [], after: [] }),
  before: roomSchema,
  /** Both ends of the change at once: what cards and pools must have room for before it begins. */
  during: roomSchema,
  after: roomSchema,
});
export type PlanReservation = z.infer<typeof planReservationSchema>;

const lacksSchema = z.array(z.enum(['redundancy', 'encryption', 'compression', 'crash-safety']));

export const planSchema = z.strictObject({
  steps: z.array(shownStepSchema).max(200),
  /**
   * Over all steps, what is destroyed, and the wish: which volume, from which generation, to which result. What a client
   * binds itself to with `planDigest`.
   */
  digest: digestSchema,
  /** Over the card's steps alone: what travels in its desired state. Of two stages the one that is under way, or comes next. */
  card: acceptedPlanSchema,
  /** Index into steps, or null when nothing is swapped. Of two stages the first cut-over. */
  cutOverIndex: z.int().nullable(),
  /**
   * Where the second of two stages begins, as an index into steps; null: there is one. Each has at most one cut-over of
   * its own, and the second begins when the first is settled.
   */
  secondStageAt: z.int().nullable().default(null),
  destroys: destroyedSchema,
  bytesToCopy: z.int().min(0),
  expectedSeconds: z.number().min(0),
  /** By card and pool. Cards that the volume was failed over from are among them. */
  reservations: z.array(planReservationSchema).max(64).default([]),
  /** How it grows: where it is, or by a swap onto larger legs of which a window shows the old size first. Null: it does not. */
  grows: z.enum(['in-place', 'window']).nullable().default(null),
  /**
   * What the volume has now and lacks from the cut-over on; until then the old stack is whole. Of two stages: from the
   * first cut-over on, at least to the second. Of a clone, from its beginning, what a volume on no snapshot has. `crash-safety`: on an overlay, until the volume is copied flat, a card's data plane that
   * dies loses what the guest wrote and did not flush.
   */
  lacks: lacksSchema.default([]),
  /** What it lacks still when the change is over. Of one stage: all of `lacks`. */
  lacksAfter: lacksSchema.default([]),
  /** What becomes different, in the words of the API; without steps it takes no work of any card or pool. None: nothing does. */
  differences: z.array(z.string().max(40)).default([]),
  /** What the guest can notice, in words; null: nothing. */
  guestFeels: z.string().max(600).nullable(),
});
export type Plan = z.infer<typeof planSchema>;
