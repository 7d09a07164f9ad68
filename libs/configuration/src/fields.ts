import { z } from 'zod';

/** Where the bus is and who one is on it. */
export const busConfigSchema = z.strictObject({
  /** Addresses as `nats://HOST:PORT` or `HOST:PORT`; sixteen is more than a cluster of NATS has servers. */
  servers: z.array(z.string().min(1).max(200)).min(1).max(16),
  /** The seed of one's identity on the bus; mode 0600. */
  seedFile: z.string().min(1),
});

/** Where to listen: on this machine only unless told otherwise. A port of 0 binds any free one. */
export const listenSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65535),
});
