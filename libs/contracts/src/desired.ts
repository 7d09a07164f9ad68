import { z } from 'zod';
import {
  cardIdSchema,
  changeIdSchema,
  functionIdSchema,
  keyRefSchema,
  legIdSchema,
  operationIdSchema,
  poolIdSchema,
  snapshotIdSchema,
  volumeIdSchema,
} from './ids.js';
import { MAX_OVERLAY_DEPTH, MAX_VOLUME_LEGS } from './limits.js';
import { compressionAlgorithmSchema, layerSchema, protocolSchema, qosLimitsSchema } from './layers.js';
import { acceptedPlanSchema } from './plan.js';
import { sealedSecretSchema, sealingKeySchema } from './sealed.js';
import { snapshotNameSchema } from './snapshot.js';

/** W3C trace context of the request that caused it, so that late work joins the same trace. */
export const traceHeadersSchema = z.record(z.string().max(64), z.string().max(512));

/** Where a card finds a leg. `file`: the card's own pool, on the same machine. */
export const legAddressSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    path: z.string().min(1).max(500),
    /** There when it is to be opened through the page cache: what goes past it is not compressed. */
    buffered: z.literal(true).optional(),
  }),
  z.strictObject({
    kind: z.literal('nbd'),
    host: z.string().min(1).max(255),
    port: z.int().min(1).max(65535),
    exportName: z.string().min(1).max(200),
  }),
  z.strictObject({ kind: z.literal('memory') }),
]);
export type LegAddress = z.infer<typeof legAddressSchema>;

/** What opens a leg for its holder: a pre-shared key, sealed by the pool to the card. Null for a file. */
export const legAccessSchema = z
  .strictObject({ identity: z.string().max(100), sealedKey: sealedSecretSchema })
  .nullable();
export type LegAccess = z.infer<typeof legAccessSchema>;

export const desiredCardLegSchema = z.strictObject({
  legId: legIdSchema,
  poolId: poolIdSchema,
  epoch: z.int().min(1),
  sizeBytes: z.int().min(1),
  address: legAddressSchema,
  access: legAccessSchema,
});
export type DesiredCardLeg = z.infer<typeof desiredCardLegSchema>;

/** The snapshot that a stack beneath a clone is of, and whose that is. */
export const snapshotOriginSchema = z.strictObject({ volumeId: volumeIdSchema, snapshotId: snapshotIdSchema });

const stackCommon = {
  /** The volume's generation at which this stack became wanted; a QoS change keeps it. */
  stackGeneration: z.int().min(1),
  /** All of the stack's; what the pools do (`by`) is none of the card's work. */
  layers: z.array(layerSchema),
  encryptionKey: z.strictObject({ keyRef: keyRefSchema, sealedKey: sealedSecretSchema }).nullable(),
  /** Beneath a clone: of no use to the card, which tells it to a database that was put back. */
  origin: snapshotOriginSchema.optional(),
};

/** A stack with everything that building it takes. */
export const desiredStackSchema = z.strictObject({
  ...stackCommon,
  legs: z.array(desiredCardLegSchema).min(1),
  /** There beneath a clone: another volume's data plane may have the same legs open. None of them is ever written. */
  shared: z.literal(true).optional(),
});
export type DesiredStack = z.infer<typeof desiredStackSchema>;

/** A stack that only snapshots keep. Its legs are in their order; where they are served is their pools' to say. */
export const keptStackSchema = z.strictObject({
  ...stackCommon,
  legs: z.array(z.strictObject({ legId: legIdSchema, poolId: poolIdSchema })).min(1),
});
export type KeptStack = z.infer<typeof keptStackSchema>;

/** A snapshot as much as its record takes to be made again. */
export const keptSnapshotSchema = z.strictObject({
  snapshotId: snapshotIdSchema,
  name: snapshotNameSchema,
  /** `deleting`: good for nothing but to be deleted. */
  state: z.enum(['ready', 'deleting']),
  sizeBytes: z.int().min(1),
  /** Its own stack, and those beneath that, the nearest first. */
  stackGenerations: z
    .array(z.int().min(1))
    .min(1)
    .max(MAX_OVERLAY_DEPTH + 1),
  changeId: changeIdSchema,
  createdAtMs: z.int().min(0),
});
export type KeptSnapshot = z.infer<typeof keptSnapshotSchema>;

/** Stacks have a leg each; those beneath a clone are another volume's, and at most one chain of them. */
const maxKeptStacks = MAX_VOLUME_LEGS + MAX_OVERLAY_DEPTH + 1;

/** What a card is to make of one volume. */
export const desiredVolumeSchema = z.strictObject({
  volumeId: volumeIdSchema,
  /** The agent's revision at which this entry last changed. */
  revision: z.int().min(1),
  generation: z.int().min(1),
  operationId: operationIdSchema,
  changeId: changeIdSchema,
  /** Whether a person asked for it: then a plan that differs from the accepted one is not run. */
  origin: z.enum(['person', 'healing']),
  /** True: the volume is to go. Kept until the agent has echoed it. */
  tombstone: z.boolean(),
  sizeBytes: z.int().min(1),
  qos: qosLimitsSchema.nullable(),
  export: z.strictObject({ protocol: protocolSchema, functionId: functionIdSchema }),
  stack: desiredStackSchema,
  /**
   * The stacks beneath it, the nearest first, where it is an overlay: each is read for what those above it do not hold,
   * and never written. Left out: none.
   */
  bases: z.array(desiredStackSchema).min(1).max(MAX_OVERLAY_DEPTH).optional(),
  /**
   * The volume's snapshots once this operation has settled, and the stacks of them that are neither `stack` nor `bases`.
   * The card does nothing about it, and tells it to a database that was put back to an older copy. Left out: there are
   * no snapshots and nothing beneath the stack, or it was given by a scheduler that did not say so yet.
   */
  kept: z
    .strictObject({
      // Each has a leg at least; a restore may have found more than a volume may be given.
      snapshots: z.array(keptSnapshotSchema).max(MAX_VOLUME_LEGS),
      stacks: z.array(keptStackSchema).max(maxKeptStacks),
    })
    .optional(),
  /**
   * The stack generation that is known to have carried the guest, here or on another card: it is opened and never
   * formatted, also by a card whose journal does not know it. Left out: none has.
   */
  carriedStackGeneration: z.int().min(1).optional(),
  /**
   * With a tombstone: the card that carries the volume now. The legs here are fenced, so whatever still runs is ended
   * with its guest attached: none of its I/O can complete any more.
   */
  movedTo: cardIdSchema.optional(),
  /**
   * The operation is to be taken back, where the card has not passed the point from which it is only completed. The
   * card alone knows: *undone* or *applied* of this same operation is the answer.
   */
  cancelled: z.literal(true).optional(),
  /** No further step of the operation is to begin, where the card has not passed that point. */
  paused: z.literal(true).optional(),
  /**
   * The operation that this one goes on with, under other limits: its steps and its end count as this one's, and the
   * limits are set at once. Of several in a row the first.
   */
  amends: operationIdSchema.optional(),
  copyBytesPerSecond: z.int().min(1),
  plan: acceptedPlanSchema,
  trace: traceHeadersSchema,
});
export type DesiredVolume = z.infer<typeof desiredVolumeSchema>;

/** What a pool is to make of one leg. */
export const desiredLegSchema = z.strictObject({
  legId: legIdSchema,
  revision: z.int().min(1),
  operationId: operationIdSchema,
  changeId: changeIdSchema,
  volumeId: volumeIdSchema,
  sizeBytes: z.int().min(1),
  /** There when the pool is to compress it, from its first byte on. */
  compression: compressionAlgorithmSchema.optional(),
  epoch: z.int().min(1),
  holder: z.strictObject({ cardId: cardIdSchema, sealingKey: sealingKeySchema }),
  /** Written beside the leg: tells which stack is current when a card's journal is lost. `frozen`: others stand on it, or a snapshot is. */
  role: z.enum(['preparing', 'current', 'frozen', 'retiring']),
  tombstone: z.boolean(),
  trace: traceHeadersSchema,
});
export type DesiredLeg = z.infer<typeof desiredLegSchema>;

/** An agent's question: everything since the revision that it has (0: everything). */
export const desiredQuestionSchema = z.strictObject({
  v: z.literal(1),
  sessionId: z.uuid(),
  /** Grows with every start of the agent; an older session is fenced off. */
  sessionNumber: z.int().min(1),
  /** The incarnation that the agent follows; null: none yet. */
  incarnation: z.uuid().nullable(),
  sinceRevision: z.int().min(0),
});
export type DesiredQuestion = z.infer<typeof desiredQuestionSchema>;

const answerCommon = {
  v: z.literal(1),
  /** Whom it is for; an agent refuses another's. */
  to: z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema }),
  /** Which life of the scheduler's database speaks. */
  incarnation: z.uuid(),
  /**
   * The fencing token under which the scheduler speaks: a successor's is larger, and an agent takes nothing of a
   * smaller one than it has heard. 0: from before there were any, which refuses nothing.
   */
  term: z.int().min(0).default(0),
  /**
   * An operator has settled every difference between this life of the database and the one that the agent follows, as
   * it was at this revision: the agent may follow this one from here on. Without it another life is never followed.
   */
  takesOver: z.strictObject({ incarnation: z.uuid(), revision: z.int().min(0) }).optional(),
  /** What `items` bring the agent up from, and to. An agent at another revision asks instead. */
  sinceRevision: z.int().min(0),
  revision: z.int().min(0),
};
/**
 * Answers and nudges have one shape. `items` holds the entries with a revision above `sinceRevision`;
 * with `sinceRevision` 0 it is the whole state. What is not named is not thereby to be deleted.
 */
export const cardDesiredSchema = z.strictObject({
  ...answerCommon,
  /**
   * To a card that follows another life of the database: nothing holds its changes now, so what it was told to hold there
   * goes on. Nobody else could lift that pause.
   */
  resumed: z.literal(true).optional(),
  items: z.array(desiredVolumeSchema).max(1000),
});
export const poolDesiredSchema = z.strictObject({ ...answerCommon, items: z.array(desiredLegSchema).max(1000) });
export type CardDesired = z.infer<typeof cardDesiredSchema>;
export type PoolDesired = z.infer<typeof poolDesiredSchema>;
