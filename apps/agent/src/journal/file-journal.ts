import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Journal } from '../ports/journal.js';
import { readWhole, syncFolder, writeSynced, writeWhole } from '../store/synced-file.js';

const SUFFIX = '.jsonl';

interface OpenFile {
  readonly handle: FileHandle;
  /** Bytes that are known to be whole and on disk. What is beyond is of an append that failed. */
  sizeBytes: number;
  isDirty: boolean;
}

/**
 * A journal as one file of JSON lines for each name, in a folder of mode 0700. Names are ids: letters, digits
 * and hyphens. Files stay open, one for each volume or leg, since a quick change waits for nothing but the sync.
 */
export class FileJournal implements Journal {
  readonly #folder: string;
  readonly #syncNames: (folder: string) => Promise<void>;
  readonly #files = new Map<string, Promise<OpenFile>>();

  /** `syncNames` makes names in the folder durable. */
  constructor(folder: string, syncNames: (folder: string) => Promise<void> = syncFolder) {
    this.#folder = folder;
    this.#syncNames = syncNames;
  }

  async names(): Promise<string[]> {
    const files = await readdir(this.#folder);
    return files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
  }

  async read(name: string): Promise<unknown[]> {
    // From the disk as it is now: an operator who mends a journal puts another file in its place.
    await this.#forget(name);
    // Looking makes nothing: a journal that was just removed would be there again, empty, for ever.
    if (!existsSync(this.#path(name))) return [];
    const { handle, sizeBytes } = await this.#file(name);
    const lines = (await readWhole(handle, sizeBytes)).toString('utf8').split('\n').slice(0, -1);
    return lines.map((line, index) => parsedLine(line, `${this.#path(name)} line ${index + 1}`));
  }

  async append(name: string, entries: readonly unknown[]): Promise<void> {
    const file = await this.#file(name);
    if (file.isDirty) await file.handle.truncate(file.sizeBytes);
    const data = Buffer.from(linesOf(entries));
    file.isDirty = true;
    await writeWhole(file.handle, data, file.sizeBytes);
    await file.handle.datasync();
    file.sizeBytes += data.length;
    file.isDirty = false;
  }

  async replace(name: string, entries: readonly unknown[]): Promise<void> {
    const path = this.#path(name);
    await writeSynced(unfinished(path), linesOf(entries));
    // Whatever fails from here on: what is appended next goes to the file that has the name then, and never to one without.
    await this.#forget(name);
    await rename(unfinished(path), path);
    await this.#syncNames(this.#folder);
  }

  async remove(name: string): Promise<void> {
    await this.#forget(name);
    // Left where somebody died while it was replaced.
    await rm(unfinished(this.#path(name)), { force: true });
    await rm(this.#path(name), { force: true });
    await this.#syncNames(this.#folder);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.keys()].map((name) => this.#forget(name)));
  }

  async #forget(name: string): Promise<void> {
    const file = this.#files.get(name);
    this.#files.delete(name);
    if (file) await (await file).handle.close();
  }

  #file(name: string): Promise<OpenFile> {
    const known = this.#files.get(name);
    if (known) return known;
    const opening = this.#open(name);
    this.#files.set(name, opening);
    opening.catch(() => this.#files.delete(name));
    return opening;
  }

  async #open(name: string): Promise<OpenFile> {
    const path = this.#path(name);
    // 'a+' makes it when it is not there; reading and writing by position needs 'r+'.
    await (await open(path, 'a+', 0o600)).close();
    await this.#syncNames(this.#folder);
    const content = await readFile(path);
    const wholeBytes = content.lastIndexOf(0x0a) + 1;
    const handle = await open(path, 'r+');
    // A torn last line was never acknowledged: it must not become the beginning of the next.
    return { handle, sizeBytes: wholeBytes, isDirty: wholeBytes < content.length };
  }

  #path(name: string): string {
    if (!/^[a-z0-9-]{1,64}$/.test(name)) throw new Error(`no name for a journal: ${JSON.stringify(name)}`);
    return join(this.#folder, `${name}${SUFFIX}`);
  }
}

const unfinished = (path: string) => `${path}.new`;

function linesOf(entries: readonly unknown[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

function parsedLine(line: string, where: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return value;
  } catch (cause) {
    throw new Error(`${where} is damaged: it is not JSON`, { cause });
  }
}
