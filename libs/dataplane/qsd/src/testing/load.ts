import { installedTools } from '@flexbso/testkit';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
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
  readonly ended: Promise<LoadResult>;
  /** Has it end with what it has in flight. */
  readonly stop: () => void;
}

/** Longer than any spec: a load ends when it is stopped, however slow the machine is. */
export const UNTIL_STOPPED = ['--time_based', '--runtime=600'];

/** Requests of 4 kB, 16 in flight, to an NBD export; fio's options say which. Ends with its spec at the latest. */
export function startLoad(uri: string, ...options: readonly string[]): Load {
  const common = ['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--bs=4k', '--iodepth=16'];
  // A state saved would be a file of its own in the working directory.
  const all = [...common, '--verify_state_save=0', '--output-format=json', ...options];
  const child = spawn(installedTools().fio, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { ended: text(child.stdout).then(resultOf), stop: () => void child.kill('SIGINT') };
}

/** Writes 16 deep at random until it is stopped, reads back what it wrote, and compares. `iops` null: as fast as it goes. */
export function startVerifiedLoad(uri: string, sizeBytes: number, iops: number | null): Load {
  const verified = ['--rw=randwrite', '--verify=crc32c', '--verify_backlog=512', '--verify_fatal=1'];
  const rate = iops === null ? [] : [`--rate_iops=${iops}`];
  return startLoad(uri, ...verified, `--size=${sizeBytes}`, ...rate, ...UNTIL_STOPPED);
}

function resultOf(output: string): LoadResult {
  const [job] = fioReply.parse(JSON.parse(output.slice(output.indexOf('{')))).jobs;
  if (job === undefined) throw new Error('fio told of no job');
  return { error: job.error, failedIo: job.total_err, writes: job.write.total_ios, reads: job.read.total_ios };
}
