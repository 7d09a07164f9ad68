import { z } from 'zod';

/**
 * What a card or pool can be found able to do. Found by probing the running data plane, never
 * assumed (paper.md: the card's SPDK was not the one that the authors had developed on).
 */
export const capabilityNameSchema = z.enum([
  'swap-live',
  'live-grow',
  'qos',
  'encryption',
  'compression',
  'raid0',
  'raid1',
  'raid5f',
  'safe-read',
  'snapshot',
  'front-end.nbd',
  'front-end.virtio-blk',
  'front-end.nvme',
  'leg.file',
  'leg.nbd',
  'leg.nvme-tcp',
  'grow-leg',
  'compress-leg',
]);
export type CapabilityName = z.infer<typeof capabilityNameSchema>;

export const capabilitySchema = z.strictObject({
  name: capabilityNameSchema,
  /** Version of what provides it, as the data plane says it. */
  version: z.string().max(64).optional(),
  limits: z.record(z.string().max(63), z.union([z.number(), z.string().max(200), z.boolean()])).default({}),
});
export type Capability = z.infer<typeof capabilitySchema>;

/** What was looked for and not found, in words that an operator can act on. */
export const lackingSchema = z.strictObject({ name: capabilityNameSchema, reason: z.string().min(1).max(500) });
export type Lacking = z.infer<typeof lackingSchema>;

export const capabilitiesSchema = z.strictObject({
  has: z.array(capabilitySchema).max(64),
  lacks: z.array(lackingSchema).max(64),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

export const dataPlaneSchema = z.strictObject({ name: z.enum(['qsd', 'spdk', 'memory']), version: z.string().max(64) });
