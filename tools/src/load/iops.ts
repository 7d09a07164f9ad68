import { z } from 'zod';
import type { LoadTarget } from './target.js';

const side = z.looseObject({ iops: z.number(), total_ios: z.int() });
const resultSchema = z.looseObject({
  jobs: z.tuple([z.looseObject({ error: z.int(), total_err: z.int().default(0), read: side, write: side })]),
});

export interface Iops {
  /** Requests a second that the device answered. */
  readonly iops: number;
  readonly failedIo: number;
}

/** The first second shows what a limit lends before it holds, and how fio connects. */
const RAMP_SECONDS = 1;

export interface Asking {
  /** What it asks for: half of it writes, when not said. */
  readonly requests?: 'reads' | 'writes';
  /** From the first request on: with what a limit lends. */
  readonly fromTheStart?: boolean;
}

const patterns = { reads: 'randread', writes: 'randwrite' } as const;

/** How many requests of 4 KiB a second a client gets that asks for as many as it can. Content is not kept. */
export async function measureIops(
  target: LoadTarget,
  seconds: number,
  { requests, fromTheStart = false }: Asking = {},
): Promise<Iops> {
  const lines = [
    '[global]',
    ...target.device,
    '[iops]',
    `rw=${requests === undefined ? 'randrw' : patterns[requests]}`,
    'bs=4k',
    `size=${target.sizeBytes}`,
    `iodepth=${target.inFlight.reads + target.inFlight.writes}`,
    'time_based=1',
    ...(fromTheStart ? [] : [`ramp_time=${RAMP_SECONDS}`]),
    `runtime=${seconds}`,
  ];
  const text = await (await target.startFio({ name: 'iops', lines })).finish();
  const { jobs } = resultSchema.parse(JSON.parse(text.slice(text.indexOf('{\n'), text.lastIndexOf('\n}') + 2)));
  const [{ error, total_err, read, write }] = jobs;
  return { iops: read.iops + write.iops, failedIo: total_err > 0 ? total_err : Number(error !== 0) };
}
