import { busConfigSchema, listenSchema, readConfiguration } from '@flexbso/configuration';
import { z } from 'zod';

/** 256 MiB a second: a 100 GiB volume moves in under seven minutes and leaves most of a 25 Gbit/s link to guests. */
const defaultCopyBytesPerSecond = 256 * 1024 ** 2;

/**
 * The scheduler's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a
 * default. A port of 0 binds any free one; the ready line says which.
 */
export const schedulerConfigSchema = z.strictObject({
  nats: busConfigSchema,
  /** `sqlite:///absolute/path.db` or `postgres://…`. */
  databaseUrl: z.string().min(1),
  health: listenSchema,
  /** Wraps the volume keys in the database; made with mode 0600 at the first start. Without it they are lost. */
  keyFile: z.string().min(1),
  /** Where `flexbso backup` writes; beside the key file without it. Of two replicas both must see the same one. */
  backupFolder: z.string().min(1).optional(),
  /** The rate of a swap's copy. Below 1 MiB a second a terabyte takes more than eleven days. */
  copyBytesPerSecond: z
    .int()
    .min(1024 ** 2)
    .default(defaultCopyBytesPerSecond),
  /** How long a leg is bad before its volume is swapped onto new ones. Ten minutes: a pool's restart is over by then. */
  replaceLegAfterMs: z
    .int()
    .min(1_000)
    .max(7 * 86_400_000)
    .default(600_000),
});
export type SchedulerConfig = z.infer<typeof schedulerConfigSchema>;

/** Reads and checks the file. @throws ProblemError naming the file and every wrong field. */
export const readSchedulerConfig = (path: string): SchedulerConfig => readConfiguration(path, schedulerConfigSchema);
