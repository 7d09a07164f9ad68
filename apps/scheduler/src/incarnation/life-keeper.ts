import { z } from 'zod';
import type { Timer } from '../ports.js';
import type { SchedulerStore } from '../store/store.js';
import type { LifeStore } from './life-store.js';
import { type Life, revisionsOf, whyAnotherLife } from './life.js';

const writtenSchema = z.strictObject({ v: z.literal(1), incarnation: z.uuid(), revisions: z.int().min(0) });

/** Each write is two syncs: too slow for each commit, and nothing once a second. */
const writeEveryMs = 1_000;

/** What is written beside the key file cannot be read; the text says what to do. */
export class LifeFileError extends Error {
  override readonly name = 'LifeFileError';
  readonly code = 'life_file';
}

export interface LifeOptions {
  readonly clock: Timer;
  /** An operator knows that the database is a restored one. */
  readonly renew: boolean;
  readonly onRenewed: (reason: string) => void;
  /** What is written is behind then, and a restore may go unnoticed; the next write tries again. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * How far the database has come, written outside of it: a copy of the database that was put back knows less, and must
 * not speak to agents as if it were what they followed. It then gets a new incarnation, and agents act on none of it.
 */
export class LifeKeeper {
  readonly #written: LifeStore;
  readonly #options: Pick<LifeOptions, 'clock' | 'onFailed'>;
  readonly #closing = new AbortController();
  #incarnation: string;
  #revisions: number;
  #isDue = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(written: LifeStore, life: Life, options: LifeOptions) {
    this.#written = written;
    this.#incarnation = life.incarnation;
    this.#revisions = life.revisions;
    this.#options = options;
  }

  /** Compares, gives the database a new incarnation where it must have one, and writes. @throws LifeFileError */
  static async open(written: LifeStore, store: SchedulerStore, options: LifeOptions): Promise<LifeKeeper> {
    const revisions = revisionsOf(await store.read((reader) => reader.agents()));
    const incarnation = await store.incarnation();
    const reason = options.renew
      ? 'it was asked for by --new-incarnation'
      : whyAnotherLife({ incarnation, revisions }, await readLife(written));
    if (reason !== null) options.onRenewed(reason);
    const life = { incarnation: reason === null ? incarnation : await store.renewIncarnation(), revisions };
    const keeper = new LifeKeeper(written, life, options);
    await keeper.#write();
    return keeper;
  }

  /** So many revisions more are committed. */
  given(count: number): void {
    this.#revisions += count;
    if (this.#isDue) return;
    this.#isDue = true;
    void this.#writeLater();
  }

  /** The database was restored: from now on this is what it must not fall behind. */
  async began({ incarnation, revisions }: Life): Promise<void> {
    this.#incarnation = incarnation;
    this.#revisions = revisions;
    await this.#writeInTurn();
  }

  /** Writes what was not written yet. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#write();
  }

  async #writeLater(): Promise<void> {
    const { signal } = this.#closing;
    await this.#options.clock.sleep(writeEveryMs, signal);
    this.#isDue = false;
    if (!signal.aborted) await this.#writeInTurn();
  }

  #writeInTurn(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#options.onFailed);
    return this.#writing;
  }

  #write(): Promise<void> {
    return this.#written.save({ v: 1, incarnation: this.#incarnation, revisions: this.#revisions });
  }
}

async function readLife(written: LifeStore): Promise<Life | null> {
  const value = await written.load();
  if (value === null) return null;
  const parsed = writtenSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new LifeFileError(
    `${written.name} does not say how far the database has come. If the database is the one that ran last, delete the file; if it is a restored copy, start with --new-incarnation`,
    { cause: parsed.error },
  );
}
