import { ProblemError } from '@flexbso/contracts';

/** 2,000 decisions are some seconds of work; who comes later would only meet a deadline. */
const maxWaiting = 2_000;

/**
 * One decision at a time, in the order in which they were asked for. The fleet's books are in memory, and what is
 * decided rests on them: two decisions side by side could sell the same room twice.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @throws ProblemError `too-many-requests` when too many wait; else what `work` throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) {
      throw new ProblemError({
        code: 'too-many-requests',
        detail: `${maxWaiting} decisions wait already; try again in some seconds`,
      });
    }
    this.#waiting += 1;
    const mine = this.#last.then(work);
    // The next one waits for the end of this one, whichever it is; a failure is told to this one's caller alone.
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Resolves when everything asked for until now is over. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
