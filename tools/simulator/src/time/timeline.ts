interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Where the runs begin: any instant, as long as it is always the same. In ms since the epoch. */
const BEGIN_MS = 1_700_000_000_000;

/**
 * The one clock of a run, and everything that is to happen: time passes only from one event to the next, and each has
 * come to rest before the next one begins.
 */
export class Timeline {
  #nowMs = BEGIN_MS;
  #count = 0;
  #order = 0;
  #entries: Entry[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  get elapsedMs(): number {
    return this.#nowMs - BEGIN_MS;
  }

  /** Events that have happened. */
  get count(): number {
    return this.#count;
  }

  /** @returns what takes the event back */
  after(delayMs: number, run: () => void): () => void {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#entries.splice(this.#placeOf(entry), 0, entry);
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index !== -1) this.#entries.splice(index, 1);
    };
  }

  /** Has the next event happen, and all that follows from it without time. @returns false when there is none. */
  async next(): Promise<boolean> {
    const entry = this.#entries.shift();
    if (entry === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, entry.atMs);
    this.#count += 1;
    entry.run();
    await rest();
    return true;
  }

  /** Of two at the same instant, the one that was entered first is first. */
  #placeOf({ atMs }: Entry): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.atMs ?? Infinity) <= atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** All promises have settled that can: nothing in a run uses timers or I/O of the machine. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
