import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { FioJob, FioRun, LoadTarget } from './target.js';

const run = promisify(execFile);
/** Some hundred MiB through a local socket take seconds. */
const IMAGE_DEADLINE_MS = 300_000;

export interface NbdTargetOptions {
  readonly fioPath: string;
  readonly qemuImgPath: string;
  /** NBD URI of the volume. */
  readonly uri: string;
  readonly sizeBytes: number;
  /** Where fio may write its logs; emptied for each run. */
  readonly folder: string;
}

/** A volume over NBD, under this machine's fio. Twelve writers (each write read back after 512 others) and four readers. */
export class NbdTarget implements LoadTarget {
  readonly deviceName = 'volume';
  readonly inFlight = { writes: 12, reads: 4 };
  readonly #options: NbdTargetOptions;

  constructor(options: NbdTargetOptions) {
    this.#options = options;
  }

  get sizeBytes(): number {
    return this.#options.sizeBytes;
  }

  get device(): readonly string[] {
    return ['ioengine=nbd', `uri=${this.#options.uri}`];
  }

  get bytewiseDevice(): readonly string[] {
    return this.device;
  }

  async startFio({ name, lines, files = {} }: FioJob): Promise<FioRun> {
    const { folder, fioPath } = this.#options;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const [jobFile, outputFile] = [join(folder, `${name}.fio`), join(folder, `${name}.json`)];
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
    await writeFile(jobFile, `${lines.join('\n')}\n`);
    const child = spawn(fioPath, ['--output-format=json', `--output=${outputFile}`, jobFile], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaints = '';
    child.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-4000)));
    const ended = new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => resolve());
    });
    // Whoever waits for the end is told; a load may be waited for much later.
    ended.catch(() => undefined);
    return {
      interrupt: async () => void child.kill('SIGINT'),
      finish: async () => {
        await ended;
        return (await readFile(outputFile, 'utf8')) + complaints;
      },
    };
  }

  readFile(name: string): Promise<string> {
    return readFile(join(this.#options.folder, name), 'utf8');
  }

  /** fio runs on this machine. */
  async clockAheadMs(): Promise<number> {
    return 0;
  }

  /** NBD has no message for a new size: a client keeps the one that it was given. */
  async look(): Promise<number> {
    return this.sizeBytes;
  }

  async withImage<T>(use: (path: string) => Promise<T>): Promise<T> {
    const { folder, qemuImgPath, uri } = this.#options;
    const image = join(folder, 'whole-volume.raw');
    await mkdir(folder, { recursive: true });
    try {
      await run(qemuImgPath, ['convert', '-f', 'raw', '-O', 'raw', uri, image], { timeout: IMAGE_DEADLINE_MS });
      return await use(image);
    } finally {
      await rm(image, { force: true });
    }
  }
}
