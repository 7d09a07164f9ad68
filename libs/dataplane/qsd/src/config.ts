import { cardBudgetSchema, cardFunctionSchema, poolBudgetSchema } from '@flexbso/contracts';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

const absolutePath = z.string().max(400).refine(isAbsolute, 'an absolute path');

/**
 * A Unix socket's path holds at most 107 bytes (sun_path); the longest name beneath a run directory is
 * `/leg-0123456789/vhost.sock` with room to spare.
 */
const runDirectory = absolutePath.max(72, 'at most 72 characters: the paths of sockets beneath it must fit into 107');

/** How one qemu-storage-daemon is started; the same for cards and pools. */
const launchShape = {
  qemuStorageDaemonPath: absolutePath,
  setprivPath: absolutePath.default('/usr/bin/setpriv'),
  prlimitPath: absolutePath.default('/usr/bin/prlimit'),
  /** Holds one private directory per daemon: sockets, pid file, log. Must survive restarts of the agent, not of the machine. */
  runDirectory,
  /** Whom daemons run as when the agent is root; null: as the agent's own user. */
  dataPlaneUser: z.strictObject({ uid: z.int().min(1), gid: z.int().min(1) }).nullable(),
  /** A daemon has about a dozen descriptors; 1024 leaves room for connections and ends a leak. */
  maxOpenFiles: z.int().min(64).default(1024),
  /** From start to the first answer. 0.1 s is usual; a machine that boots hundreds of volumes at once takes longer. */
  startTimeoutMs: z.int().min(100).default(20_000),
  /** One QMP command. All that are used answer at once, except opening a remote leg, which has its own limit. */
  commandTimeoutMs: z.int().min(100).default(10_000),
};

export const qsdCardConfigSchema = z.strictObject({
  ...launchShape,
  functions: z.array(cardFunctionSchema).max(2048),
  budget: cardBudgetSchema,
  /**
   * How long I/O waits for a remote leg that went away before it fails. A pool's daemon that was
   * killed is served anew within seconds; with 1 s a guest was seen to get I/O errors.
   */
  reconnectDelaySeconds: z.int().min(1).max(600).default(30),
  /** How long opening a remote leg tries to connect. */
  openTimeoutSeconds: z.int().min(1).max(60).default(5),
  /**
   * A copy that does not move for this long is cancelled: with a target that is away, the guest's
   * writes wait for it (the copy is synchronous), so a new stack that hangs must go before the guest notices more.
   */
  copyStallMs: z.int().min(500).default(4000),
});
export type QsdCardConfig = z.infer<typeof qsdCardConfigSchema>;
export type QsdCardOptions = z.input<typeof qsdCardConfigSchema>;

export const qsdPoolConfigSchema = z
  .strictObject({
    ...launchShape,
    poolId: z.string().min(1).max(40),
    /** Where legs and their records live. The pool is the only one that creates, grows or deletes there. */
    directory: absolutePath,
    reach: z.enum(['host', 'network']),
    budget: poolBudgetSchema,
    /** The program of btrfs-progs, for a directory on btrfs whose legs may be compressed; null: none are. */
    btrfsPath: absolutePath.nullable().default(null),
    /** Where legs are served when the reach is `network`. */
    listen: z
      .strictObject({
        host: z.string().min(1).max(255),
        firstPort: z.int().min(1).max(65535),
        lastPort: z.int().min(1).max(65535),
      })
      .nullable()
      .default(null),
  })
  .refine((config) => config.reach === 'host' || config.listen !== null, {
    path: ['listen'],
    message: 'a pool that is reached over the network needs a host and ports to listen on',
  })
  .refine((config) => config.listen === null || config.listen.firstPort <= config.listen.lastPort, {
    path: ['listen', 'lastPort'],
    message: 'not below firstPort',
  });
export type QsdPoolConfig = z.infer<typeof qsdPoolConfigSchema>;
export type QsdPoolOptions = z.input<typeof qsdPoolConfigSchema>;

/** What starting a daemon takes from either configuration. */
export type LaunchConfig = Pick<
  QsdCardConfig,
  | 'qemuStorageDaemonPath'
  | 'setprivPath'
  | 'prlimitPath'
  | 'runDirectory'
  | 'dataPlaneUser'
  | 'maxOpenFiles'
  | 'startTimeoutMs'
  | 'commandTimeoutMs'
>;
