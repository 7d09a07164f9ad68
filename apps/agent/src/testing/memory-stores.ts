import type { Journal } from '../ports/journal.js';
import type { ValueStore } from '../ports/store.js';

/** A disk that outlives agents: what was synced stays. Values go through JSON, as on a real one. */
export class MemoryJournal implements Journal {
  readonly lines = new Map<string, string[]>();

  async names(): Promise<string[]> {
    return [...this.lines.keys()];
  }

  async read(name: string): Promise<unknown[]> {
    return (this.lines.get(name) ?? []).map((line) => JSON.parse(line));
  }

  async append(name: string, entries: readonly unknown[]): Promise<void> {
    this.lines.set(name, [...(this.lines.get(name) ?? []), ...entries.map((entry) => JSON.stringify(entry))]);
  }

  async replace(name: string, entries: readonly unknown[]): Promise<void> {
    this.lines.set(
      name,
      entries.map((entry) => JSON.stringify(entry)),
    );
  }

  async remove(name: string): Promise<void> {
    this.lines.delete(name);
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

export class MemoryStore implements ValueStore {
  #text: string | null = null;

  async load(): Promise<unknown> {
    return this.#text === null ? null : JSON.parse(this.#text);
  }

  async save(value: unknown): Promise<void> {
    this.#text = JSON.stringify(value);
  }
}
