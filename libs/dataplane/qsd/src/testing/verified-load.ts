import { installedTools } from '@flexbso/testkit';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const fioReply = z.looseObject({
  jobs: z
    .array(
      z.looseObject({
        error: z.int(),
        total_err: z.int().default(0),
        write: z.looseObject({ total_ios: z.int() }),
        read: z.looseObject({ total_ios: z.int() }),
      }),
    )
    .length(1),
});

export interface LoadResult {
  readonly error: number;
  readonly failedIo: number;
  readonly writes: number;
  readonly reads: number;
}

export interface Load {
  readonly uri: string;
  readonly sizeBytes: number;
  readonly seconds: number;
  /** Null: as fast as it goes. */
  readonly iops: number | null;
}

/** Writes 16 deep at random, reads back what it wrote, and compares. */
export async function verifiedLoad({ uri, sizeBytes, seconds, iops }: Load): Promise<LoadResult> {
  const child = spawn(
    installedTools().fio,
    [
      '--name=load',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--rw=randwrite',
      '--bs=4k',
      '--iodepth=16',
      `--size=${sizeBytes}`,
      '--verify=crc32c',
      '--verify_backlog=512',
      '--verify_fatal=1',
      // Otherwise it leaves a file of its own in the working directory.
      '--verify_state_save=0',
      '--time_based',
      `--runtime=${seconds}`,
      ...(iops === null ? [] : [`--rate_iops=${iops}`]),
      '--output-format=json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const output = await text(child.stdout);
  const [job] = fioReply.parse(JSON.parse(output.slice(output.indexOf('{')))).jobs;
  if (!job) throw new Error('fio told of no job');
  return { error: job.error, failedIo: job.total_err, writes: job.write.total_ios, reads: job.read.total_ios };
}
