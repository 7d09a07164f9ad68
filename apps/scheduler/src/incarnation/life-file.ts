import { open, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import type { SchedulerStore } from '../store/store.js';
import { type Life, revisionsOf, whyAnotherLife } from './life.js';

const lifeFileSchema = z.strictObject({ v: z.literal(1), incarnation: z.uuid(), revisions: z.int().min(0) });

/** Each write is two syncs: too slow for each commit, and nothing once a second. */
const writeEveryMs = 1_000;

/** The file beside the key file cannot be read; the text says what to do. */
export class LifeFileError extends Error {
  override readonly name = 'LifeFileError';
  readonly code = 'life_file';
}

export interface LifeFileOptions {
  /** An operator knows that the database is a restored one. */
  readonly renew: boolean;
  readonly onRenewed: (reason: string) => void;
  /** The file is behind then, and a restore may go unnoticed; the next write tries again. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * How far the database has come, written outside of it: a copy of the database that was put back knows less, and must
 * not speak to agents as if it were what they followed. It then gets a new incarnation, and agents act on none of it.
 */
export class LifeFile {
  readonly #path: string;
  readonly #onFailed: (error: unknown) => void;
  #incarnation: string;
  #revisions: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, life: Life, onFailed: (error: unknown) => void) {
    this.#path = path;
    this.#incarnation = life.incarnation;
    this.#revisions = life.revisions;
    this.#onFailed = onFailed;
  }

  /** Compares, gives the database a new incarnation where it must have one, and writes. @throws LifeFileError */
  static async open(path: string, store: SchedulerStore, options: LifeFileOptions): Promise<LifeFile> {
    const revisions = revisionsOf(await store.read((reader) => reader.agents()));
    const incarnation = await store.incarnation();
    const reason = options.renew
      ? 'it was asked for by --new-incarnation'
      : whyAnotherLife({ incarnation, revisions }, await readLife(path));
    if (reason !== null) options.onRenewed(reason);
    const life = { incarnation: reason === null ? incarnation : await store.renewIncarnation(), revisions };
    const file = new LifeFile(path, life, options.onFailed);
    await file.#write();
    return file;
  }

  /** So many revisions more are committed. */
  given(count: number): void {
    this.#revisions += count;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write()).catch(this.#onFailed);
    }, writeEveryMs);
  }

  /** The database was restored: from now on this is what it must not fall behind. */
  async began({ incarnation, revisions }: Life): Promise<void> {
    this.#incarnation = incarnation;
    this.#revisions = revisions;
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#onFailed);
    await this.#writing;
  }

  /** Writes what was not written yet. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const life = { v: 1, incarnation: this.#incarnation, revisions: this.#revisions };
    // Whole or not at all: a torn file would be no memory of anything.
    const next = `${this.#path}.next`;
    const file = await open(next, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(life)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.#path);
  }
}

async function readLife(path: string): Promise<Life | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const parsed = lifeFileSchema.safeParse(jsonOrNull(text));
  if (parsed.success) return parsed.data;
  throw new LifeFileError(
    `${path} does not say how far the database has come. If the database is the one that ran last, delete the file; if it is a restored copy, start with --new-incarnation`,
    { cause: parsed.error },
  );
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses null, and its text says what to do.
    return null;
  }
}
