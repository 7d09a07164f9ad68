import { z } from 'zod';
import { MAX_BYTES_PER_SECOND, MAX_IOPS, MAX_RAID1_LEGS, MAX_STRIPED_LEGS } from './limits.js';

export const compressionAlgorithmSchema = z.enum(['zstd', 'deflate']);
export type CompressionAlgorithm = z.infer<typeof compressionAlgorithmSchema>;

/** One layer of a stack. A stack lists its layers from the top; what is beneath the last is its legs. */
export const layerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('compression'),
    algorithm: compressionAlgorithmSchema.default('zstd'),
    /**
     * Who compresses: the card, in its stack, or the pools, in the files of the legs. Left out of a request: whoever
     * can, the card first; a volume always says.
     */
    by: z.enum(['card', 'pools']).optional(),
  }),
  z.strictObject({ kind: z.literal('encryption'), cipher: z.enum(['aes-xts-256']).default('aes-xts-256') }),
  z.strictObject({
    kind: z.literal('raid1'),
    legCount: z.int().min(2).max(MAX_RAID1_LEGS).default(2),
    safeRead: z.boolean().default(false),
  }),
  z.strictObject({ kind: z.literal('raid0'), legCount: z.int().min(2).max(MAX_STRIPED_LEGS).default(2) }),
  z.strictObject({ kind: z.literal('raid5f'), legCount: z.int().min(3).max(MAX_STRIPED_LEGS).default(3) }),
]);
export type Layer = z.infer<typeof layerSchema>;
export type LayerKind = Layer['kind'];

/** What a client asks of a stack. No layers: one plain leg. Order and combinations are judged by libs/stack. */
export const stackSpecSchema = z.strictObject({ layers: z.array(layerSchema).max(3).default([]) });
export type StackSpec = z.infer<typeof stackSpecSchema>;

const iops = z.int().min(1).max(MAX_IOPS).optional();
const bytesPerSecond = z.int().min(4096).max(MAX_BYTES_PER_SECOND).optional();

/** Every limit that a head can carry. Absent: unlimited. A burst is a ceiling for one second above its base. */
const qosKeys = {
  iopsTotal: iops,
  iopsRead: iops,
  iopsWrite: iops,
  iopsTotalBurst: iops,
  iopsReadBurst: iops,
  iopsWriteBurst: iops,
  bytesPerSecondTotal: bytesPerSecond,
  bytesPerSecondRead: bytesPerSecond,
  bytesPerSecondWrite: bytesPerSecond,
  bytesPerSecondTotalBurst: bytesPerSecond,
  bytesPerSecondReadBurst: bytesPerSecond,
  bytesPerSecondWriteBurst: bytesPerSecond,
} as const;

const qosBases = [
  'iopsTotal',
  'iopsRead',
  'iopsWrite',
  'bytesPerSecondTotal',
  'bytesPerSecondRead',
  'bytesPerSecondWrite',
] as const;
const qosUnits = ['iops', 'bytesPerSecond'] as const;

export const qosLimitsSchema = z.strictObject(qosKeys).check((context) => {
  const limits = context.value;
  const refuse = (key: string, message: string) =>
    context.issues.push({ code: 'custom', path: [key], message, input: limits });
  for (const base of qosBases) {
    const burst = limits[`${base}Burst`];
    const floor = limits[base];
    if (burst !== undefined && floor === undefined) refuse(`${base}Burst`, `a burst needs its base: set ${base} too`);
    if (burst !== undefined && floor !== undefined && burst < floor)
      refuse(`${base}Burst`, `a burst is at least its base, ${floor}`);
  }
  for (const unit of qosUnits) {
    if (
      limits[`${unit}Total`] !== undefined &&
      (limits[`${unit}Read`] !== undefined || limits[`${unit}Write`] !== undefined)
    ) {
      refuse(`${unit}Total`, `${unit}Total excludes ${unit}Read and ${unit}Write: give the total or the two parts`);
    }
  }
});
export type QosLimits = z.infer<typeof qosLimitsSchema>;
/** The name of one limit. */
export const qosLimitNameSchema = qosLimitsSchema.keyof();
export type QosLimitName = z.infer<typeof qosLimitNameSchema>;

/** How a function shows the volume. `nbd` is the stand-in's cheap front end for tests and tools on the host. */
export const protocolSchema = z.enum(['nbd', 'virtio-blk', 'nvme']);
export type Protocol = z.infer<typeof protocolSchema>;
