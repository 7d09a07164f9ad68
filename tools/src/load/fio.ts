import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLatencyLog } from './latency-log.js';
import type { LoggedIo } from './latency-log.js';
import { LEDGER_BLOCK_BYTES } from './block-ledger.js';
import type { BlockLedger } from './block-ledger.js';

/** A static area at the volume's start is read whole again and again; the rest is written at random. */
export const STATIC_AREA_SHARE = 1 / 4;
/** No load outlives this, whatever becomes of who started it. */
const MAX_LOAD_SECONDS = 900;
const EILSEQ = 84;

export interface LoadTarget {
  readonly fioPath: string;
  /** NBD URI of the volume. */
  readonly uri: string;
  readonly sizeBytes: number;
  /** Where fio may write its logs; emptied for each run. */
  readonly folder: string;
}

/** What a run of fio came to. `failedIo` counts I/Os that ended with an error, `wrongBlocks` those whose content was wrong. */
export interface LoadResult {
  readonly ioCount: number;
  readonly failedIo: number;
  readonly wrongBlocks: number;
  readonly ios: readonly LoggedIo[];
}

interface FioJob {
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
  'ioengine=nbd',
  `uri=${target.uri}`,
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
  // Twelve writers (each write read back and compared after 512 others) and four readers: 16 in flight.
  '[random]',
  'rw=randwrite',
  `offset=${staticBytes(target)}`,
  `size=${target.sizeBytes - staticBytes(target)}`,
  'iodepth=12',
  'do_verify=1',
  'verify_backlog=512',
  `write_iolog=${join(target.folder, 'random.iolog')}`,
  `write_lat_log=${join(target.folder, 'random')}`,
  '[static]',
  'rw=read',
  `size=${staticBytes(target)}`,
  'iodepth=4',
  `write_lat_log=${join(target.folder, 'static')}`,
];

/** Writes the static area and the first version of every other block, so that every later read has something to compare. */
export async function fillVolume(target: LoadTarget, ledger: BlockLedger): Promise<LoadResult> {
  const log = join(target.folder, 'fill.iolog');
  const result = await runFio(target, 'fill', [
    ...common(target),
    '[fill]',
    'rw=write',
    'bs=1m',
    `size=${target.sizeBytes}`,
    'iodepth=16',
    'do_verify=0',
    `write_iolog=${log}`,
  ]);
  ledger.enter(await readFile(log, 'utf8'));
  return result;
}

/** Reads the whole volume and compares every block's checksum. */
export function readWholeVolume(target: LoadTarget): Promise<LoadResult> {
  return runFio(target, 'full-read', [
    ...common(target),
    '[full-read]',
    'rw=read',
    'bs=1m',
    `size=${target.sizeBytes}`,
    'iodepth=16',
  ]);
}

/** Sends one write beyond the volume's end: an I/O that must fail. For the self-test that a failure is counted. */
export const failOneIo = (target: LoadTarget): Promise<LoadResult> =>
  replayOneWrite(target, target.sizeBytes, LEDGER_BLOCK_BYTES);

/** Overwrites the first byte of a block's header (0xca) with another. For the self-test that one wrong byte is found. */
export const plantWrongByte = (target: LoadTarget): Promise<LoadResult> =>
  replayOneWrite(target, target.sizeBytes / 2, 1);

/** Only a replayed log makes fio send what lies outside the device or is no whole block. */
async function replayOneWrite(target: LoadTarget, offsetBytes: number, lengthBytes: number): Promise<LoadResult> {
  const ioLog = [
    'fio version 2 iolog',
    'volume add',
    'volume open',
    `volume write ${offsetBytes} ${lengthBytes}`,
    'volume close',
    '',
  ].join('\n');
  const lines = [
    '[global]',
    'ioengine=nbd',
    `uri=${target.uri}`,
    'bs=4k',
    'continue_on_error=all',
    'buffer_pattern=0x5a',
    '[planted]',
    'rw=write',
    'filename=volume',
    `read_iolog=${join(target.folder, 'planted.iolog')}`,
  ];
  return (await startFio(target, 'planted', lines, { 'planted.iolog': ioLog })).finished;
}

/** A verified load that runs until it is told to stop. */
export class RunningLoad {
  readonly #target: LoadTarget;
  readonly #process: FioProcess;

  private constructor(target: LoadTarget, process: FioProcess) {
    this.#target = target;
    this.#process = process;
  }

  static async start(target: LoadTarget): Promise<RunningLoad> {
    return new RunningLoad(target, await startFio(target, 'load', [...common(target), ...running(target)]));
  }

  /** Ends the load after the I/O in flight, enters its writes and returns what it came to. */
  async stop(ledger: BlockLedger): Promise<LoadResult> {
    this.#process.interrupt();
    const result = await this.#process.finished;
    ledger.enter(await readFile(join(this.#target.folder, 'random.iolog'), 'utf8'));
    const logs = await Promise.all(
      ['random_lat.1.log', 'static_lat.2.log'].map((name) => readFile(join(this.#target.folder, name), 'utf8')),
    );
    return { ...result, ios: logs.flatMap(parseLatencyLog) };
  }
}

interface FioProcess {
  interrupt(): void;
  readonly finished: Promise<LoadResult>;
}

async function runFio(target: LoadTarget, name: string, lines: readonly string[]): Promise<LoadResult> {
  return (await startFio(target, name, lines)).finished;
}

async function startFio(
  target: LoadTarget,
  name: string,
  lines: readonly string[],
  files: Readonly<Record<string, string>> = {},
): Promise<FioProcess> {
  await rm(target.folder, { recursive: true, force: true });
  await mkdir(target.folder, { recursive: true });
  const jobFile = join(target.folder, `${name}.fio`);
  const outputFile = join(target.folder, `${name}.json`);
  for (const [file, text] of Object.entries(files)) await writeFile(join(target.folder, file), text);
  await writeFile(jobFile, `${lines.join('\n')}\n`);
  const child = spawn(target.fioPath, ['--output-format=json', `--output=${outputFile}`, jobFile], {
    cwd: target.folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-4000)));
  const finished = new Promise<LoadResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => readResult(outputFile, complaints).then(resolve, reject));
  });
  return { interrupt: () => child.kill('SIGINT'), finished };
}

async function readResult(outputFile: string, complaints: string): Promise<LoadResult> {
  const text = await readFile(outputFile, 'utf8');
  const start = text.indexOf('{\n');
  if (start === -1) throw new Error(`fio gave no result: ${text}${complaints}`);
  const { jobs }: { jobs: readonly FioJob[] } = JSON.parse(text.slice(start));
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
