/** A place in a queue. */
export interface Turn {
  /** Resolves when all who came before have ended. */
  readonly granted: Promise<void>;
  /** Lets the next one go on, after those before. May be called before it was granted, and more than once. */
  end(): void;
}

/** One after the other, in the order in which they came. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const over = Promise.withResolvers<void>();
    const granted = this.#last;
    this.#last = granted.then(() => over.promise);
    return { granted, end: over.resolve };
  }
}
