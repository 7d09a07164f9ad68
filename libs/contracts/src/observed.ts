import { z } from 'zod';
import { cardIdSchema, functionIdSchema, keyRefSchema, legIdSchema, volumeIdSchema } from './ids.js';
import { layerSchema, protocolSchema, qosLimitsSchema } from './layers.js';

/** A stack whose nodes, or some of them, are open in the data plane. */
export const observedStackSchema = z.strictObject({
  stackGeneration: z.int().min(1),
  legs: z.array(z.strictObject({ legId: legIdSchema, epoch: z.int().min(1) })),
  /** Layers that are open, from the top. */
  layers: z.array(layerSchema),
  /** The key that the encryption layer was opened with. */
  keyRef: keyRefSchema.nullable(),
  /** There while whatever stands on the stack is shown this much of it only: its first bytes, up to here. */
  windowBytes: z.int().min(1).optional(),
  /** There when an overlay is open as its uppermost layer: the stack from which what was not written since is read. */
  baseStackGeneration: z.int().min(1).optional(),
});
export type ObservedStack = z.infer<typeof observedStackSchema>;

/** Where a copy stands (qsd.md, "Where a swap stands"). */
export const observedCopySchema = z.strictObject({
  toStackGeneration: z.int().min(1),
  state: z.enum(['running', 'ready', 'failed', 'done', 'in-transition']),
  doneBytes: z.int().min(0),
  totalBytes: z.int().min(0),
  error: z.string().max(500).nullable(),
});
export type ObservedCopy = z.infer<typeof observedCopySchema>;

/** What the data plane runs for one volume, as it was just looked at; the input of every plan. */
export const observedVolumeSchema = z.strictObject({
  volumeId: volumeIdSchema,
  /** Whether the volume's data plane runs at all. All else is empty when it does not. */
  running: z.boolean(),
  head: z
    .strictObject({
      sizeBytes: z.int().min(1),
      qos: qosLimitsSchema.nullable(),
      /** Whether `qos` is the tenant's limits widened by a copy's rate. */
      widened: z.boolean(),
      /** The stack generation that carries the guest. */
      stackGeneration: z.int().min(1),
    })
    .nullable(),
  stacks: z.array(observedStackSchema),
  copy: observedCopySchema.nullable(),
  exports: z.array(
    z.strictObject({ protocol: protocolSchema, functionId: functionIdSchema, uri: z.string().max(500) }),
  ),
});
export type ObservedVolume = z.infer<typeof observedVolumeSchema>;

/** What a pool has of one leg. */
export const observedLegSchema = z.strictObject({
  legId: legIdSchema,
  volumeId: volumeIdSchema,
  sizeBytes: z.int().min(0),
  /** Bytes that the pool really gave. */
  allocatedBytes: z.int().min(0),
  /** There when the pool compresses it: what the same content would take without. */
  uncompressedBytes: z.int().min(0).optional(),
  epoch: z.int().min(0),
  holderCardId: cardIdSchema.nullable(),
  /** Null while it is not served. */
  serving: z.strictObject({ epoch: z.int().min(1), holderCardId: cardIdSchema }).nullable(),
  /**
   * What is wrong with its bytes, in the pool's words, with what to do; there only when something is. Such a leg is
   * neither served nor grown until it is mended.
   */
  damage: z.string().max(500).optional(),
});
export type ObservedLeg = z.infer<typeof observedLegSchema>;
