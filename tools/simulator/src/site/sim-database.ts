import { ProblemError } from '@flexbso/contracts';
import { MemoryStore, type SchedulerStore, type StoreReader, type StoreTransaction } from '@flexbso/scheduler';
import type { SimProcess } from '../processes/sim-process.js';
import { Books } from '../truth/books.js';

type Copy = ReturnType<MemoryStore['copy']>;

/** A process died inside of its transaction: the database takes it back when it sees the connection go. */
class Abandoned extends Error {}

/** The scheduler's database: outlives every scheduler, and lets only the holder of its lease write. */
export class SimDatabase {
  readonly memory: MemoryStore;
  /** What is committed, for whoever judges the run. */
  readonly books = new Books();
  #token = 0;

  constructor(incarnation: string) {
    this.memory = new MemoryStore(incarnation);
  }

  /** Takes the lease for a new holder. @returns its token */
  takeLease(): number {
    return ++this.#token;
  }

  get token(): number {
    return this.#token;
  }

  copy(): Copy {
    return this.memory.copy();
  }

  putBack(copy: Copy): void {
    this.memory.putBack(copy);
    this.books.replacedBy(copy);
  }

  /** The database as one process reaches it, under the token of its lease. */
  storeOf(process: SimProcess, token: number): SchedulerStore {
    return {
      transaction: (work) => this.#transaction(process, token, work),
      read: (work) => process.call('store.read', () => this.memory.read(work)),
      incarnation: () => process.call('store.incarnation', () => this.memory.incarnation()),
      renewIncarnation: () => process.call('store.renewIncarnation', () => this.memory.renewIncarnation()),
    };
  }

  async #transaction<T>(process: SimProcess, token: number, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    await process.moment('before', 'store.transaction');
    const written = this.books.begin();
    try {
      const result = await this.memory.transaction(async (tx) => {
        this.#fence(token);
        const done = await work(written.over(tx));
        // What a dead process had asked for and not committed is never committed.
        if (!process.isAlive) throw new Abandoned();
        return done;
      });
      written.commit();
      return result;
    } finally {
      await process.moment('after', 'store.transaction');
    }
  }

  #fence(token: number): void {
    if (token === this.#token) return;
    throw new ProblemError({ code: 'fenced', detail: `token ${token} is past: ${this.#token} holds the lease` });
  }
}

export type { StoreReader };
