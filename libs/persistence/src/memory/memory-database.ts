import { type Turn, Turns } from './turns.js';

/** What a database in memory holds. */
export interface MemoryContents<Self> {
  /** For one transaction to write in; what it was made from stays as it is. */
  copy(): Self;
  /** The transaction that wrote this has committed. */
  committed(): void;
}

/** The row of a lease. */
export interface MemoryLeaseRow {
  readonly holder: string;
  readonly token: number;
  readonly expiresAtMs: number;
}

/** All that is in a database at one instant. */
export interface MemoryDatabaseCopy<Contents> {
  readonly contents: Contents;
  readonly leases: ReadonlyMap<string, MemoryLeaseRow>;
}

/**
 * A service's database in memory, for simulations: shared by all processes that connect to it, and outliving them.
 * Transactions have the whole database, one after the other, as on SQLite; who reads outside of them sees what is
 * committed.
 */
export class MemoryDatabase<Contents extends MemoryContents<Contents>> {
  readonly turns = new Turns();
  leases = new Map<string, MemoryLeaseRow>();
  readonly #onReplaced: (now: Contents, before: Contents) => void;
  #committed: Contents;

  /**
   * @param onReplaced called at the instant of each commit, and when a copy is put back; for whoever judges what is
   *   committed. A row that is the same object in both was not written.
   */
  constructor(contents: Contents, onReplaced: (now: Contents, before: Contents) => void = () => undefined) {
    this.#committed = contents;
    this.#onReplaced = onReplaced;
  }

  get contents(): Contents {
    return this.#committed;
  }

  /** One for each process, which loses it when it ends. */
  connect(hooks: MemoryHooks = {}): MemoryConnection<Contents> {
    return new MemoryConnection(this, hooks);
  }

  commit(contents: Contents): void {
    this.#replace(contents);
    contents.committed();
  }

  /** As an operator copies a database's files. Costs nothing: what is committed is never changed, only replaced. */
  copy(): MemoryDatabaseCopy<Contents> {
    return { contents: this.#committed, leases: new Map(this.leases) };
  }

  /** As an operator puts files back: behind the service's back, leases and all. Whoever is connected should be gone. */
  putBack({ contents, leases }: MemoryDatabaseCopy<Contents>): void {
    this.#replace(contents);
    this.leases = new Map(leases);
  }

  #replace(contents: Contents): void {
    const before = this.#committed;
    this.#committed = contents;
    this.#onReplaced(contents, before);
  }
}

/** Where a simulation goes between a process and its database. */
export interface MemoryHooks {
  /** The work of a transaction is done. Throws: it is rolled back. Does not resolve: it stays open, and others wait. */
  readonly beforeCommit?: () => void | Promise<void>;
  /** It is committed. Throws: its answer is lost on the way, and the caller told so. Does not resolve: he waits. */
  readonly afterCommit?: () => void | Promise<void>;
}

/** The process has gone; never seen by anybody. */
class GoneError extends Error {
  override readonly name = 'GoneError';
}

/** A database in memory as one process has it. */
export class MemoryConnection<Contents extends MemoryContents<Contents>> {
  readonly #database: MemoryDatabase<Contents>;
  readonly #hooks: MemoryHooks;
  readonly #turns = new Set<Turn>();
  #isGone = false;

  constructor(database: MemoryDatabase<Contents>, hooks: MemoryHooks) {
    this.#database = database;
    this.#hooks = hooks;
  }

  /** What is committed now. */
  get contents(): Contents {
    return this.#database.contents;
  }

  get leases(): Map<string, MemoryLeaseRow> {
    return this.#database.leases;
  }

  /** Commits what `work` wrote when it resolves, else nothing of it remains. */
  transaction<Result>(work: (draft: Contents) => Promise<Result>): Promise<Result> {
    return this.#unlessGone(this.#committed(work));
  }

  /** One statement on its own, when no transaction is open. */
  statement<Result>(work: () => Result): Promise<Result> {
    return this.#unlessGone(this.#inTurn(async () => work()));
  }

  /** The answer to a read, from which a process that is gone never hears. */
  answer<Value>(value: Value): Promise<Value> {
    return this.#isGone ? new Promise(() => undefined) : Promise.resolve(value);
  }

  /**
   * The process is gone, and the database sees its connection go: what is open is rolled back, what waits is dropped, and
   * nothing that was or will be asked for over this connection ever resolves.
   */
  abandon(): void {
    this.#isGone = true;
    for (const turn of this.#turns) turn.end();
    this.#turns.clear();
  }

  async #committed<Result>(work: (draft: Contents) => Promise<Result>): Promise<Result> {
    const result = await this.#inTurn(async () => {
      const draft = this.#database.contents.copy();
      const done = await work(draft);
      await this.#hooks.beforeCommit?.();
      if (this.#isGone) throw new GoneError();
      this.#database.commit(draft);
      return done;
    });
    await this.#hooks.afterCommit?.();
    return result;
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#isGone) throw new GoneError();
    const turn = this.#database.turns.take();
    this.#turns.add(turn);
    try {
      await turn.granted;
      if (this.#isGone) throw new GoneError();
      return await work();
    } finally {
      this.#turns.delete(turn);
      turn.end();
    }
  }

  #unlessGone<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      work.then(
        (result) => this.#isGone || resolve(result),
        (error: unknown) => this.#isGone || reject(error),
      );
    });
  }
}
