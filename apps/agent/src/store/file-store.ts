import { readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ValueStore } from '../ports/store.js';
import { syncFolder, writeSynced } from './synced-file.js';

/** One JSON value in one file of mode 0600: written beside, synced, renamed, synced. */
export class FileStore implements ValueStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<unknown> {
    const text = await this.#read();
    if (text === null) return null;
    const value: unknown = JSON.parse(text);
    return value;
  }

  async save(value: unknown): Promise<void> {
    await writeSynced(`${this.#path}.new`, JSON.stringify(value));
    await rename(`${this.#path}.new`, this.#path);
    await syncFolder(dirname(this.#path));
  }

  async #read(): Promise<string | null> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }
}
