import type { Backup, Restored } from '@flexbso/contracts';
import { ProblemError } from '@flexbso/contracts';
import type { Backups } from '../ports.js';
import type { MemoryStore, MemoryStoreCopy } from '../store/memory-store.js';

/** Copies of the store in memory, for simulations. */
export class MemoryBackups implements Backups {
  readonly #store: MemoryStore;
  readonly #copies = new Map<string, { backup: Backup; copy: MemoryStoreCopy }>();

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async create(name: string, createdAtMs: number): Promise<Backup> {
    const copy = this.#store.copy();
    const backup = {
      name,
      createdAtMs,
      incarnation: copy.incarnation,
      schemaVersion: 'memory',
      counts: {},
      sizeBytes: 0,
    };
    this.#copies.set(name, { backup, copy });
    return backup;
  }

  async list(): Promise<Backup[]> {
    return [...this.#copies.values()].map(({ backup }) => backup);
  }

  async restore(name: string): Promise<Restored & { replayed: boolean }> {
    const kept = this.#copies.get(name);
    if (!kept) throw new ProblemError({ code: 'not-found', detail: `there is no backup ${name}` });
    this.#store.putBack(kept.copy);
    return { backup: kept.backup, incarnation: await this.#store.incarnation(), replayed: false };
  }
}
