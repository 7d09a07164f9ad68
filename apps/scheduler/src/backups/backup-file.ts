import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type Backup, backupNameSchema, backupSchema, ProblemError } from '@flexbso/contracts';
import { z } from 'zod';

/** What a file begins with; the same for SQLite and PostgreSQL. */
const headerSchema = z.looseObject({ format: z.literal('flexbso-scheduler-backup'), v: z.int() });
const facts = backupSchema.omit({ sizeBytes: true });
const currentHeaderSchema = z.strictObject({ ...headerSchema.shape, v: z.literal(1), ...facts.shape });
export type BackupFacts = z.infer<typeof facts>;

/** One row: the table's name, and the entity's columns by name. */
const rowSchema = z.tuple([z.string(), z.record(z.string(), z.json())]);
export type BackupRow = z.infer<typeof rowSchema>;
/** What a file ends with; the digest is of every byte before this line. */
const endSchema = z.strictObject({ end: z.literal(true), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** A change with a plan of 200 steps has some 100 kB; a line beyond this is of no backup. */
const maxLineBytes = 8 * 1024 ** 2;
/** Few writes for many rows, and little memory. */
const flushBytes = 256 * 1024;

/**
 * Writes a backup beside `path`, with mode 0600 and synced; `commit` gives it its name, `discard` takes it away.
 * Rows are taken one by one, so a large database needs no more memory than a small one.
 */
export class BackupWriter {
  readonly #file: FileHandle;
  readonly #partPath: string;
  readonly #hash: Hash = createHash('sha256');
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #sizeBytes = 0;

  private constructor(file: FileHandle, partPath: string) {
    this.#file = file;
    this.#partPath = partPath;
  }

  static async begin(partPath: string, header: BackupFacts): Promise<BackupWriter> {
    const writer = new BackupWriter(await open(partPath, 'wx', 0o600), partPath);
    await writer.#line({ format: 'flexbso-scheduler-backup', v: 1, ...header });
    return writer;
  }

  async row(row: BackupRow): Promise<void> {
    await this.#line(row);
  }

  /** Ends the file and syncs it. @returns its size in bytes */
  async end(): Promise<number> {
    await this.#flush();
    const line = Buffer.from(`${JSON.stringify({ end: true, sha256: this.#hash.digest('hex') })}\n`);
    await this.#file.appendFile(line);
    await this.#file.sync();
    await this.#file.close();
    return this.#sizeBytes + line.length;
  }

  /** Gives the ended file its name; the folder is synced, so that the name outlives the power too. */
  async commit(path: string): Promise<void> {
    await rename(this.#partPath, path);
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** Takes the file away, ended or not. */
  async discard(): Promise<void> {
    await this.#file.close();
    await rm(this.#partPath, { force: true });
  }

  async #line(value: unknown): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    this.#hash.update(line);
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (this.#pendingBytes >= flushBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#file.appendFile(Buffer.concat(this.#pending));
    this.#sizeBytes += this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/**
 * What the file says of itself; nothing else of it is looked at. It is called as the file is, which may be a renamed copy.
 * @throws ProblemError `backup-unusable`
 */
export async function readHeader(path: string): Promise<Backup> {
  const name = backupNameSchema.safeParse(basename(path, '.jsonl'));
  if (!name.success) throw unusable(path, 'its name cannot be asked for: lower-case letters, digits and hyphens');
  for await (const { text } of linesOf(path))
    return { ...headerOf(text, path), name: name.data, sizeBytes: await sizeOf(path) };
  throw unusable(path, 'it is empty');
}

/**
 * Every row, in the order in which they were written. What comes out is only to be believed once the end was reached:
 * there the digest and the counts are compared.
 * @throws ProblemError `backup-unusable`
 */
export async function* readRows(path: string): AsyncGenerator<BackupRow> {
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  let header: BackupFacts | null = null;
  let isEnded = false;
  for await (const { text, bytes } of linesOf(path)) {
    if (isEnded) throw unusable(path, 'it goes on after its end');
    const value = jsonOf(text, path);
    const end = endSchema.safeParse(value);
    if (end.success) {
      if (hash.digest('hex') !== end.data.sha256) throw unusable(path, 'its checksum is not that of its content');
      isEnded = true;
      continue;
    }
    hash.update(bytes);
    if (header === null) {
      header = headerOf(text, path);
      continue;
    }
    const row = rowSchema.safeParse(value);
    if (!row.success) throw unusable(path, `a line is no row of a table: ${z.prettifyError(row.error).slice(0, 200)}`);
    counts[row.data[0]] = (counts[row.data[0]] ?? 0) + 1;
    yield row.data;
  }
  if (!isEnded) throw unusable(path, 'its end is missing');
  compareCounts(path, header?.counts ?? {}, counts);
}

function compareCounts(path: string, said: Readonly<Record<string, number>>, found: Readonly<Record<string, number>>) {
  for (const table of new Set([...Object.keys(said), ...Object.keys(found)])) {
    if ((said[table] ?? 0) !== (found[table] ?? 0))
      throw unusable(path, `it has ${found[table] ?? 0} rows of ${table} and says ${said[table] ?? 0}`);
  }
}

function headerOf(text: string, path: string): BackupFacts {
  const value = jsonOf(text, path);
  const header = headerSchema.safeParse(value);
  if (!header.success) throw unusable(path, 'it is no backup of a scheduler');
  if (header.data.v !== 1) throw unusable(path, `it has format ${header.data.v}, and this scheduler knows format 1`);
  const parsed = currentHeaderSchema.safeParse(value);
  if (!parsed.success) throw unusable(path, `its header is damaged: ${z.prettifyError(parsed.error).slice(0, 200)}`);
  const { format: _f, v: _v, ...said } = parsed.data;
  return said;
}

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unusable(path, 'a line is damaged', cause);
  }
}

async function* linesOf(path: string): AsyncGenerator<{ text: string; bytes: Buffer }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: flushBytes })) {
    rest = Buffer.concat([rest, Buffer.from(chunk)]);
    for (let at = rest.indexOf('\n'); at !== -1; at = rest.indexOf('\n')) {
      const bytes = rest.subarray(0, at + 1);
      yield { text: bytes.toString('utf8').trimEnd(), bytes };
      rest = rest.subarray(at + 1);
    }
    if (rest.length > maxLineBytes) throw unusable(path, `a line is longer than ${maxLineBytes} bytes`);
  }
  if (rest.length > 0) throw unusable(path, 'it breaks off within a line');
}

async function sizeOf(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** The folder is the operator's; the file's name is enough to find it. */
export function unusable(path: string, why: string, cause?: unknown): ProblemError {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const detail = `${name} cannot be restored: ${why}; nothing was changed`;
  return new ProblemError({ code: 'backup-unusable', detail }, { cause });
}
