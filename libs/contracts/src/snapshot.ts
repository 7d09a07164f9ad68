import { z } from 'zod';
import { changeIdSchema, keyRefSchema, legIdSchema, poolIdSchema, snapshotIdSchema, volumeIdSchema } from './ids.js';
import { stackSpecSchema } from './layers.js';

export const snapshotNameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a name is 1 to 63 lower-case letters, digits and hyphens');

/** What a client asks of a snapshot. */
export const snapshotSpecSchema = z.strictObject({ name: snapshotNameSchema });
export type SnapshotSpec = z.infer<typeof snapshotSpecSchema>;

/** What a client asks of a volume that is to hold what a snapshot holds: the snapshot's id or its name. */
export const rollbackRequestSchema = z.strictObject({ snapshot: z.string().min(1).max(63) });

/**
 * `making`: its change has not cut over yet. `deleting`: it is going, or its deletion did not come to its end; what it held
 * may be written over already, so it is good for nothing but to be deleted again.
 */
export const snapshotStateSchema = z.enum(['making', 'ready', 'deleting']);
export type SnapshotState = z.infer<typeof snapshotStateSchema>;

/** A snapshot as the API shows it: what its volume held at the cut-over of its change. */
export const snapshotSchema = z.strictObject({
  snapshotId: snapshotIdSchema,
  volumeId: volumeIdSchema,
  volumeName: z.string(),
  name: snapshotNameSchema,
  state: snapshotStateSchema,
  sizeBytes: z.int(),
  /** The layers that it lies in, which a later change of the volume leaves as they are. */
  stack: stackSpecSchema,
  /** Names the key that its encryption layer opens with; null: it has none. Never the key itself. */
  keyRef: keyRefSchema.nullable(),
  stackGeneration: z.int(),
  /** Its own, and those of older snapshots that it reads through. */
  legs: z.array(
    z.strictObject({ legId: legIdSchema, poolId: poolIdSchema, sizeBytes: z.int(), stackGeneration: z.int() }),
  ),
  /** `flat`: its own legs hold all of it. `overlay`: they hold what was written since an older stack, and it reads through. */
  format: z.enum(['flat', 'overlay']),
  /** What its legs, which are never written, hold of pools: capacity, and nothing else by themselves. */
  reservations: z.array(z.strictObject({ poolId: poolIdSchema, capacityBytes: z.int().min(0) })),
  changeId: changeIdSchema,
  createdAtMs: z.int(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;
