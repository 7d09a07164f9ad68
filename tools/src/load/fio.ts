import { parseLatencyLog } from './latency-log.js';
import type { LoggedIo } from './latency-log.js';
import { LEDGER_BLOCK_BYTES } from './block-ledger.js';
import type { BlockLedger } from './block-ledger.js';
import type { FioJob, FioRun, LoadTarget } from './target.js';

/** A static area at the volume's start is read whole again and again; the rest is written at random. */
export const STATIC_AREA_SHARE = 1 / 4;
/** No load outlives this, whatever becomes of who started it. */
const MAX_LOAD_SECONDS = 900;
const EILSEQ = 84;

/** What a run of fio came to. `failedIo` counts I/Os that ended with an error, `wrongBlocks` those whose content was wrong. */
export interface LoadResult {
  readonly ioCount: number;
  readonly failedIo: number;
  readonly wrongBlocks: number;
  readonly ios: readonly LoggedIo[];
}

interface FioJobResult {
  readonly jobname: string;
  readonly error: number;
  readonly total_err: number;
  readonly first_error: number;
  readonly read: { readonly total_ios: number };
  readonly write: { readonly total_ios: number };
}

const staticBytes = (target: LoadTarget): number => target.sizeBytes * STATIC_AREA_SHARE;

const common = (target: LoadTarget): string[] => [
  '[global]',
  ...target.device,
  // A header in every 4 kB, however large the request: what one job writes, any other verifies.
  'verify_interval=4k',
  'verify=crc32c',
  'verify_fatal=0',
  'continue_on_error=all',
];

const running = (target: LoadTarget): string[] => [
  'bs=4k',
  'time_based=1',
  `runtime=${MAX_LOAD_SECONDS}`,
  'log_unix_epoch=1',
  '[random]',
  'rw=randwrite',
  `offset=${staticBytes(target)}`,
  `size=${target.sizeBytes - staticBytes(target)}`,
  `iodepth=${target.inFlight.writes}`,
  // Each write is read back and compared after 512 others.
  'do_verify=1',
  'verify_backlog=512',
  'write_iolog=random.iolog',
  'write_lat_log=random',
  '[static]',
  'rw=read',
  `size=${staticBytes(target)}`,
  `iodepth=${target.inFlight.reads}`,
  'write_lat_log=static',
];

/**
 * Writes the first version of every block from `fromBytes` on, the static area among them, so that every later read
 * has something to compare.
 */
export async function fillVolume(target: LoadTarget, ledger: BlockLedger, fromBytes = 0): Promise<LoadResult> {
  const lines = [
    ...common(target),
    '[fill]',
    'rw=write',
    'bs=1m',
    `offset=${fromBytes}`,
    `size=${target.sizeBytes - fromBytes}`,
    'iodepth=16',
    'do_verify=0',
    'write_iolog=fill.iolog',
  ];
  const result = await runFio(target, { name: 'fill', lines });
  ledger.enter(await target.readFile('fill.iolog'));
  return result;
}

/** Reads the whole volume and compares every block's checksum. */
export function readWholeVolume(target: LoadTarget): Promise<LoadResult> {
  const lines = [...common(target), '[full-read]', 'rw=read', 'bs=1m', `size=${target.sizeBytes}`, 'iodepth=16'];
  return runFio(target, { name: 'full-read', lines });
}

/** Sends one write beyond the volume's end: an I/O that must fail. For the self-test that a failure is counted. */
export const failOneIo = (target: LoadTarget): Promise<LoadResult> =>
  replayOneWrite(target, target.device, target.sizeBytes, LEDGER_BLOCK_BYTES);

/** Overwrites the first byte of a block's header (0xca) with another. For the self-test that one wrong byte is found. */
export const plantWrongByte = (target: LoadTarget): Promise<LoadResult> =>
  replayOneWrite(target, target.bytewiseDevice, target.sizeBytes / 2, 1);

/** Only a replayed log makes fio send what lies outside the device or is no whole block. */
function replayOneWrite(
  target: LoadTarget,
  device: readonly string[],
  offsetBytes: number,
  lengthBytes: number,
): Promise<LoadResult> {
  const name = target.deviceName;
  const ioLog = [
    'fio version 2 iolog',
    `${name} add`,
    `${name} open`,
    `${name} write ${offsetBytes} ${lengthBytes}`,
    `${name} close`,
    '',
  ].join('\n');
  const lines = [
    '[global]',
    ...device,
    'bs=4k',
    'continue_on_error=all',
    'buffer_pattern=0x5a',
    '[planted]',
    'rw=write',
    `filename=${name}`,
    'read_iolog=planted.iolog',
  ];
  return runFio(target, { name: 'planted', lines, files: { 'planted.iolog': ioLog } });
}

/** A verified load that runs until it is told to stop. */
export class RunningLoad {
  readonly #target: LoadTarget;
  readonly #fio: FioRun;

  private constructor(target: LoadTarget, fio: FioRun) {
    this.#target = target;
    this.#fio = fio;
  }

  static async start(target: LoadTarget): Promise<RunningLoad> {
    const lines = [...common(target), ...running(target)];
    return new RunningLoad(target, await target.startFio({ name: 'load', lines }));
  }

  /** Whether it has written: what is made beneath it before that, it does not feel. */
  async hasBegun(): Promise<boolean> {
    const log = await this.#target.readFile('random.iolog').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    });
    return log.includes(' write ');
  }

  /** Ends the load after the I/O in flight, enters its writes and returns what it came to, in this machine's time. */
  async stop(ledger: BlockLedger): Promise<LoadResult> {
    await this.#fio.interrupt();
    const result = parseFioOutput(await this.#fio.finish());
    ledger.enter(await this.#target.readFile('random.iolog'));
    const aheadMs = await this.#target.clockAheadMs();
    const ios: LoggedIo[] = [];
    for (const name of ['random_lat.1.log', 'static_lat.2.log'])
      for (const io of parseLatencyLog(await this.#target.readFile(name)))
        ios.push({ ...io, endedAtMs: io.endedAtMs - aheadMs });
    return { ...result, ios };
  }
}

async function runFio(target: LoadTarget, job: FioJob): Promise<LoadResult> {
  return parseFioOutput(await (await target.startFio(job)).finish());
}

/** Sums up the jobs of one run of fio. Throws when its output holds no result. */
export function parseFioOutput(text: string): LoadResult {
  const [start, end] = [text.indexOf('{\n'), text.lastIndexOf('\n}')];
  if (start === -1 || end === -1) throw new Error(`fio gave no result: ${text}`);
  const { jobs }: { jobs: readonly FioJobResult[] } = JSON.parse(text.slice(start, end + 2));
  let ioCount = 0;
  let failedIo = 0;
  let wrongBlocks = 0;
  for (const job of jobs) {
    ioCount += job.read.total_ios + job.write.total_ios;
    // fio counts both kinds together and names the first: a job that met both is counted under its first.
    const errors = job.error !== 0 && job.total_err === 0 ? 1 : job.total_err;
    if (job.first_error === EILSEQ || job.error === EILSEQ) wrongBlocks += errors;
    else failedIo += errors;
  }
  return { ioCount, failedIo, wrongBlocks, ios: [] };
}
