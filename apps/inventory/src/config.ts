import { busConfigSchema, listenSchema, readConfiguration } from '@flexbso/configuration';
import { z } from 'zod';

/**
 * Inventory's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a default.
 * A port of 0 binds any free one; the ready line says which.
 */
export const inventoryConfigSchema = z
  .strictObject({
    nats: busConfigSchema,
    /** `sqlite:///absolute/path.db` or `postgres://…`. */
    databaseUrl: z.string().min(1),
    health: listenSchema,
    /** How long an agent may be silent before it is unreachable; three heartbeats, so that one lost is not a death. */
    leaseMs: z.int().min(100).default(15_000),
    heartbeatMs: z.int().min(20).default(5_000),
    /**
     * When more agents than both limits fall silent together, it is rather the network or the bus: verdicts wait this
     * long, so that a blip of ours does not become the death of a fleet.
     */
    massSilence: z
      .strictObject({
        agents: z.int().min(0).default(2),
        share: z.number().min(0).max(1).default(0.05),
        holdMs: z.int().min(0).default(60_000),
      })
      .default({ agents: 2, share: 0.05, holdMs: 60_000 }),
    /** How often the published snapshots are compared with what the database holds. */
    repairMs: z.int().min(100).default(60_000),
  })
  .refine((config) => config.leaseMs >= 2 * config.heartbeatMs, {
    path: ['leaseMs'],
    message: 'leaseMs is at least twice heartbeatMs: else one late heartbeat makes an agent unreachable',
  });
export type InventoryConfig = z.infer<typeof inventoryConfigSchema>;

/** Reads and checks the file. @throws ProblemError naming the file and every wrong field. */
export const readInventoryConfig = (path: string): InventoryConfig => readConfiguration(path, inventoryConfigSchema);
