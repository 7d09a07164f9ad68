import { z } from 'zod';
import {
  cardIdSchema,
  changeIdSchema,
  functionIdSchema,
  hostIdSchema,
  keyRefSchema,
  legIdSchema,
  poolIdSchema,
  snapshotIdSchema,
  tenantIdSchema,
  volumeIdSchema,
} from './ids.js';
import { degradedSchema, legFaultsSchema } from './leg-fault.js';
import { labelsSchema } from './labels.js';
import { protocolSchema, qosLimitsSchema, stackSpecSchema } from './layers.js';
import { snapshotNameSchema, snapshotStateSchema } from './snapshot.js';
import { BLOCK_SIZE_BYTES, MAX_VOLUME_SIZE_BYTES, MIN_VOLUME_SIZE_BYTES } from './limits.js';

export const volumeSizeSchema = z
  .int()
  .min(MIN_VOLUME_SIZE_BYTES)
  .max(MAX_VOLUME_SIZE_BYTES)
  .refine((size) => size % BLOCK_SIZE_BYTES === 0, `a size is a multiple of ${BLOCK_SIZE_BYTES} bytes`);

export const volumeNameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a name is 1 to 63 lower-case letters, digits and hyphens');

/**
 * A demand on every change: at no time is the volume on a stack that a lost leg would end. What can be done only by way
 * of such a stack is refused.
 */
const alwaysRedundantSchema = z.boolean();

/** What a client asks of placement; everything left out is free. */
export const placementWishSchema = z.strictObject({
  cardId: cardIdSchema.optional(),
  hostId: hostIdSchema.optional(),
  cardLabels: labelsSchema.optional(),
  /** Pools for the legs, one a leg; fewer than legs: the rest is free. */
  poolIds: z.array(poolIdSchema).max(8).optional(),
  poolLabels: labelsSchema.optional(),
  policy: z.enum(['spread', 'pack', 'balance']).default('spread'),
  /** The domain over which legs are spread: host, rack, row, or a label's key. */
  spreadLegsOver: z.string().min(1).max(63).default('rack'),
  spreadRequired: z.boolean().default(false),
  /** Beside, or away from, the cards of volumes with these labels. */
  affinity: labelsSchema.optional(),
  antiAffinity: labelsSchema.optional(),
});
export type PlacementWish = z.infer<typeof placementWishSchema>;

export const volumeSpecSchema = z.strictObject({
  name: volumeNameSchema,
  labels: labelsSchema.default({}),
  sizeBytes: volumeSizeSchema,
  protocol: protocolSchema.default('virtio-blk'),
  stack: stackSpecSchema.default({ layers: [] }),
  alwaysRedundant: alwaysRedundantSchema.default(false),
  qos: qosLimitsSchema.nullable().default(null),
  /**
   * Makes it a clone, which begins with what the snapshot holds: of the snapshot's size and layers, on the card of the
   * snapshot's volume. `volume` and `snapshot` by id or name.
   */
  fromSnapshot: z.strictObject({ volume: z.string().min(1).max(63), snapshot: z.string().min(1).max(63) }).optional(),
  placement: placementWishSchema.default({ policy: 'spread', spreadLegsOver: 'rack', spreadRequired: false }),
});
export type VolumeSpec = z.infer<typeof volumeSpecSchema>;

/**
 * A change names what is to be different; what it leaves out stays. `placement.poolIds` moves the legs: onto those pools,
 * or, where it names none, to where placement prefers. `rekey` names the
 * key that is to be replaced: of a volume that has another key by now it changes nothing.
 */
export const volumePatchSchema = z
  .strictObject({
    labels: labelsSchema,
    sizeBytes: volumeSizeSchema,
    stack: stackSpecSchema,
    alwaysRedundant: alwaysRedundantSchema,
    qos: qosLimitsSchema.nullable(),
    placement: z.strictObject({ poolIds: z.array(poolIdSchema).max(8) }),
    rekey: z.strictObject({ from: keyRefSchema }),
    /** It is known that the volume's snapshots stay as they are: not encrypted, or with the key that is to be replaced. */
    acknowledgeSnapshots: z.literal(true),
  })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'a change names at least one thing to change');
export type VolumePatch = z.infer<typeof volumePatchSchema>;

export const volumeStateSchema = z.enum([
  'creating',
  'ready',
  'changing',
  'deleting',
  'failed',
  'unreachable',
  'diverged',
  'needs-operator',
  /** No card shows it: its legs are kept on their pools until it is attached. */
  'detached',
]);

export const volumeLegSchema = z.strictObject({
  legId: legIdSchema,
  poolId: poolIdSchema,
  sizeBytes: z.int(),
  epoch: z.int(),
  stackGeneration: z.int(),
  state: z.enum(['creating', 'ready', 'retiring', 'deleting']),
  current: z.boolean(),
});

/** What a leg takes of its pool, as that last measured it. */
export const legSpaceSchema = z.strictObject({
  legId: legIdSchema,
  poolId: poolIdSchema,
  sizeBytes: z.int(),
  /** Bytes that the pool really gave; null: it has not been heard of yet. */
  allocatedBytes: z.int().nullable(),
  /** What the same content would take uncompressed; null: the pool does not compress it, or was not heard. */
  uncompressedBytes: z.int().nullable(),
  measuredAtMs: z.int().nullable(),
});
/** What a volume takes of its pools. */
export const volumeSpaceSchema = z.strictObject({
  volumeId: volumeIdSchema,
  legs: z.array(legSpaceSchema),
  /** Over all legs that are compressed; null: none is, or not all of them were heard. */
  savedBytes: z.int().nullable(),
});
export type VolumeSpace = z.infer<typeof volumeSpaceSchema>;

export const formerCardSchema = z.strictObject({
  cardId: cardIdSchema,
  functionId: functionIdSchema,
  sinceMs: z.int(),
});

/** What a failover asks for; without a card one is chosen. */
export const failoverRequestSchema = z.strictObject({ cardId: cardIdSchema.optional() });

/**
 * Where a volume is to be shown. Without a card: on the one that it is, or was last, on. Without a function: on the one
 * that it was last shown on, where that is free, else one is chosen. Of an attached volume only the function can be
 * another.
 */
export const attachRequestSchema = z.strictObject({
  cardId: cardIdSchema.optional(),
  functionId: functionIdSchema.optional(),
});

/** A volume as the API shows it. */
export const volumeSchema = z.strictObject({
  volumeId: volumeIdSchema,
  tenantId: tenantIdSchema,
  name: volumeNameSchema,
  labels: labelsSchema,
  sizeBytes: z.int(),
  protocol: protocolSchema,
  stack: stackSpecSchema,
  alwaysRedundant: alwaysRedundantSchema.default(false),
  /** Names the key of the wanted stack's encryption layer; null: it has none. Never the key itself. */
  keyRef: keyRefSchema.nullable().default(null),
  qos: qosLimitsSchema.nullable(),
  placement: placementWishSchema,
  state: volumeStateSchema,
  /** The version wanted, the one that carries the guest, and the one of which nothing older is left. */
  generation: z.int(),
  appliedGeneration: z.int(),
  settledGeneration: z.int(),
  /** Whether it is to be shown to a guest; false once its detachment is asked for. */
  attached: z.boolean().default(true),
  /** Where it is shown; of a detached volume where it was last. */
  cardId: cardIdSchema,
  functionId: functionIdSchema,
  legs: z.array(volumeLegSchema),
  /** What was found wrong with its legs, for as long as it has them. */
  legFaults: legFaultsSchema,
  /** Null: none of the legs that carry it is known to be bad. */
  degraded: degradedSchema.nullable().default(null),
  /**
   * Cards that it was failed over from and that have not yet reported that they closed what they had of it. Its legs
   * are fenced from them; their functions stay taken until they report.
   */
  formerCards: z.array(formerCardSchema),
  /** How a client on the card's host reaches the volume; null until it is served. */
  uri: z.string().nullable(),
  snapshots: z
    .array(z.strictObject({ snapshotId: snapshotIdSchema, name: snapshotNameSchema, state: snapshotStateSchema }))
    .default([]),
  /** Of a clone, for as long as it reads what it has not written itself from there; null: it holds everything itself. */
  standsOn: z.strictObject({ volumeId: volumeIdSchema, snapshotId: snapshotIdSchema }).nullable().default(null),
  /**
   * Its stack is newer than the copy that the database was restored from, and nobody knows how its legs belong together:
   * it is detached until it is rolled back to a snapshot.
   */
  lost: z.boolean().default(false),
  changeId: changeIdSchema.nullable(),
  /** What begins when that change is over; null: nothing does. */
  queuedChangeId: changeIdSchema.nullable().default(null),
  createdAtMs: z.int(),
});
export type Volume = z.infer<typeof volumeSchema>;
