/** Keeps one JSON value outside of the database: after a crash it is the last one saved, or the one before, never a mixture. */
export interface LifeStore {
  /** Where it is kept, for people: a path. */
  readonly name: string;
  /** Null when nothing was saved yet. What is there and is no JSON is given as text. */
  load(): Promise<unknown>;
  save(value: unknown): Promise<void>;
}

/** For simulations. */
export class MemoryLifeStore implements LifeStore {
  readonly name = 'memory';
  #text: string | null = null;

  async load(): Promise<unknown> {
    return this.#text === null ? null : JSON.parse(this.#text);
  }

  async save(value: unknown): Promise<void> {
    this.#text = JSON.stringify(value);
  }
}
