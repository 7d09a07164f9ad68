/** One at a time, first come first served: for what looks at something and then takes it. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(act);
    // The next one's turn comes whether this one succeeds or not; its own caller hears of a failure.
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
