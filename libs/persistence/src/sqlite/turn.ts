import { DatabaseError } from '../errors.js';

export interface TurnLimits {
  /** How many may wait; each holds a request of the service in memory. */
  readonly maxWaiting: number;
  /** How long one may wait, in milliseconds. */
  readonly maxWaitMs: number;
}

/**
 * 10,000 waiting transactions are about fifteen seconds of work for `node:sqlite`; who comes after that is better
 * told so at once. Nobody legitimate waits 30 s: by then a transaction hangs or waits for itself.
 */
const defaultLimits: TurnLimits = { maxWaiting: 10_000, maxWaitMs: 30_000 };

interface Waiter {
  readonly grant: (giveBack: () => void) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * A first-in-first-out mutex: one holder at a time, the rest in the order in which they asked.
 *
 * Not re-entrant: who holds it and asks again waits for himself. The database's `createQueryRunner` refuses the one
 * way in which that happens (see `transaction.ts`).
 */
export class Turn {
  readonly #limits: TurnLimits;
  readonly #waiting = new Set<Waiter>();
  #held = false;

  constructor(limits: TurnLimits = defaultLimits) {
    this.#limits = limits;
  }

  /**
   * Waits for the turn.
   * @returns the function that gives it back; calling it again does nothing.
   * @throws DatabaseError `database-busy` beyond either limit.
   */
  async take(): Promise<() => void> {
    if (!this.#held) return this.#hold();
    const { maxWaiting, maxWaitMs } = this.#limits;
    if (this.#waiting.size >= maxWaiting) {
      throw new DatabaseError(
        'database-busy',
        `${maxWaiting} operations wait for the database already; try again later`,
      );
    }
    return new Promise((grant, refuse) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        refuse(
          new DatabaseError(
            'database-busy',
            `waited ${maxWaitMs} ms for the database; a transaction before this one does not end`,
          ),
        );
      }, maxWaitMs);
      const waiter: Waiter = { grant, timer };
      this.#waiting.add(waiter);
    });
  }

  #hold(): () => void {
    this.#held = true;
    let mine = true;
    return () => {
      if (!mine) return;
      mine = false;
      this.#passOn();
    };
  }

  #passOn(): void {
    this.#held = false;
    // A Set keeps the order of insertion, so the first is who has waited longest.
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      clearTimeout(next.timer);
      next.grant(this.#hold());
      return;
    }
  }
}
