import { open, readFile, rename } from 'node:fs/promises';
import type { LifeStore } from './life-store.js';

/** One JSON value in one file of mode 0600. */
export class LifeFile implements LifeStore {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  async load(): Promise<unknown> {
    const text = await this.#read();
    return text === null ? null : jsonOrText(text);
  }

  async save(value: unknown): Promise<void> {
    // Whole or not at all: a torn file would be no memory of anything.
    const next = `${this.name}.next`;
    const file = await open(next, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.name);
  }

  async #read(): Promise<string | null> {
    try {
      return await readFile(this.name, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No schema takes a text for a life, and whoever looks says what to do.
    return text;
  }
}
