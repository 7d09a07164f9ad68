import { readFileSync } from 'node:fs';
import { problemOfParse, ProblemError } from '@flexbso/contracts';
import { z } from 'zod';

/** 256 MiB a second: a 100 GiB volume moves in under seven minutes and leaves most of a 25 Gbit/s link to guests. */
const defaultCopyBytesPerSecond = 256 * 1024 ** 2;

/**
 * The scheduler's configuration, one JSON file. Unknown keys are refused, so that a misspelt one is not silently a
 * default. A port of 0 binds any free one; the ready line says which.
 */
export const schedulerConfigSchema = z.strictObject({
  nats: z.strictObject({ servers: z.array(z.string().min(1)).min(1), seedFile: z.string().min(1) }),
  /** `sqlite:///absolute/path.db` or `postgres://…`. */
  databaseUrl: z.string().min(1),
  health: z.strictObject({ host: z.string().min(1).default('127.0.0.1'), port: z.int().min(0).max(65535) }),
  /** Wraps the volume keys in the database; made with mode 0600 at the first start. Without it they are lost. */
  keyFile: z.string().min(1),
  /** The rate of a swap's copy. Below 1 MiB a second a terabyte takes more than eleven days. */
  copyBytesPerSecond: z
    .int()
    .min(1024 ** 2)
    .default(defaultCopyBytesPerSecond),
});
export type SchedulerConfig = z.infer<typeof schedulerConfigSchema>;

/** Reads and checks the file. @throws ProblemError `malformed-json` or `invalid-request`, naming file and field. */
export function readSchedulerConfig(path: string): SchedulerConfig {
  const parsed = schedulerConfigSchema.safeParse(jsonOf(path));
  if (!parsed.success) throw new ProblemError(problemOfParse(path, parsed.error));
  return parsed.data;
}

function jsonOf(path: string): unknown {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProblemError({ code: 'malformed-json', detail: `${path} is not JSON` }, { cause });
  }
}
