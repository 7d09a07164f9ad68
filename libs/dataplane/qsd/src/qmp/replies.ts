import { z } from 'zod';

/** The parts of the daemon's answers that are used; both 7.2 and 10.0 send more. */

/** A command whose answer says nothing. */
export const nothing = z.unknown();

export const versionReply = z.looseObject({
  qemu: z.looseObject({ major: z.int(), minor: z.int(), micro: z.int() }),
  package: z.string(),
});

export const namedBlockNodesReply = z.array(
  z.looseObject({
    'node-name': z.string(),
    drv: z.string(),
    ro: z.boolean(),
    file: z.string(),
    image: z.looseObject({ 'virtual-size': z.int().min(0) }),
  }),
);

export const blockGraphReply = z.looseObject({
  nodes: z.array(z.looseObject({ id: z.int(), type: z.string(), name: z.string() })),
  edges: z.array(z.looseObject({ parent: z.int(), child: z.int(), name: z.string() })),
});

export const jobsReply = z.array(
  z.looseObject({
    id: z.string(),
    status: z.string(),
    'current-progress': z.number(),
    'total-progress': z.number(),
    error: z.string().optional(),
  }),
);
export type QmpJob = z.infer<typeof jobsReply>[number];

export const blockJobsReply = z.array(
  z.looseObject({
    device: z.string(),
    speed: z.int().min(0),
    'io-status': z.string(),
    'actively-synced': z.boolean().optional(),
  }),
);
export type QmpBlockJob = z.infer<typeof blockJobsReply>[number];

export const blockExportsReply = z.array(
  z.looseObject({ id: z.string(), type: z.string(), 'node-name': z.string(), 'shutting-down': z.boolean() }),
);

export const qomListReply = z.array(z.looseObject({ name: z.string(), type: z.string() }));

/** The key's name of credentials. */
export const usernameReply = z.string();

export const throttleLimitsReply = z.record(z.string(), z.number());

export const schemaReply = z.array(
  z.looseObject({ name: z.string(), 'meta-type': z.string(), values: z.array(z.string()).optional() }),
);
