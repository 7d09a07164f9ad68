import { z } from 'zod';
import { legIdSchema, volumeIdSchema } from './ids.js';

/** Counters grow from the start of the volume's data plane; a smaller value means that it was started anew. */
export const volumeMeasurementSchema = z.strictObject({
  volumeId: volumeIdSchema,
  readBytes: z.int().min(0),
  writtenBytes: z.int().min(0),
  readOperations: z.int().min(0),
  writeOperations: z.int().min(0),
  residentBytes: z.int().min(0),
});
export type VolumeMeasurement = z.infer<typeof volumeMeasurementSchema>;

export const legMeasurementSchema = z.strictObject({
  legId: legIdSchema,
  /** Bytes that the pool really gave. */
  allocatedBytes: z.int().min(0),
  /** There when the pool compresses it: what the same content would take without. */
  uncompressedBytes: z.int().min(0).optional(),
});
export type LegMeasurement = z.infer<typeof legMeasurementSchema>;

export const measureSchema = z.strictObject({
  v: z.literal(1),
  atMs: z.int(),
  volumes: z.array(volumeMeasurementSchema).max(1000),
  legs: z.array(legMeasurementSchema).max(1000),
  agentResidentBytes: z.int().min(0),
});
export type Measure = z.infer<typeof measureSchema>;
