import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileJournal } from '../journal/file-journal.js';
import type { Journal } from '../ports/journal.js';
import { Fuse } from './fuse.js';

/** Kills an agent at its n-th append, from 1, with half of the last line on the disk; 0: never. */
export class TornFuse extends Fuse {
  readonly #at: number;
  readonly #folder: string;
  isArmed = false;
  appends = 0;

  constructor(at: number, folder: string) {
    super();
    this.#at = at;
    this.#folder = folder;
  }

  override journal(inner: Journal): Journal {
    return {
      ...super.journal(inner),
      append: async (name, entries) => {
        if (this.isArmed && ++this.appends === this.#at) this.#tear(name, entries);
        await this.moment('journal append');
        await inner.append(name, entries);
        await this.moment('after journal append');
      },
    };
  }

  #tear(name: string, entries: readonly unknown[]): void {
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    const lastLine = JSON.stringify(entries.at(-1));
    // At once: no virtual time may pass meanwhile.
    appendFileSync(join(this.#folder, `${name}.jsonl`), lines.slice(0, -Math.ceil(lastLine.length / 2)));
    this.blow();
  }
}

/** A real file journal that tells while it works. */
export function watchedJournal(folder: string, pending: { count: number }): Journal {
  const inner = new FileJournal(folder);
  const watched = async <Result>(work: Promise<Result>): Promise<Result> => {
    pending.count++;
    try {
      return await work;
    } finally {
      pending.count--;
    }
  };
  return {
    names: () => watched(inner.names()),
    read: (name) => watched(inner.read(name)),
    append: (name, entries) => watched(inner.append(name, entries)),
    replace: (name, entries) => watched(inner.replace(name, entries)),
    remove: (name) => watched(inner.remove(name)),
    close: () => watched(inner.close()),
  };
}
