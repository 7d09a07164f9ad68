import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

/** Statements kept prepared. A service has some tens of distinct ones; lists of different lengths make more. */
const maxStatements = 500;

/** What TypeORM's `better-sqlite3` driver calls of a prepared statement. */
interface Statement {
  /** Whether the statement answers rows. */
  readonly reader: boolean;
  all(...parameters: SQLInputValue[]): unknown[];
  run(...parameters: SQLInputValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
}

/**
 * The part of `better-sqlite3` that TypeORM calls, on Node's own `node:sqlite`, so that nothing native is compiled.
 * Integers beyond 2^53 are refused by `node:sqlite` when read (ERR_OUT_OF_RANGE), never rounded.
 */
export class NodeSqlite {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, options: { readonly timeout: number }) {
    // The database holds wrapped keys: for its owner only. SQLite gives -wal and -shm the same mode.
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
    this.#database = new DatabaseSync(path, { timeout: options.timeout });
  }

  /** Whether a transaction is open, as SQLite itself says. */
  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#database.prepare(sql);
    const statement: Statement = {
      reader: prepared.columns().length > 0,
      all: (...parameters) => prepared.all(...parameters),
      run: (...parameters) => prepared.run(...parameters),
    };
    this.#statements.set(sql, statement);
    const [oldest] = this.#statements.keys();
    if (this.#statements.size > maxStatements && oldest !== undefined) this.#statements.delete(oldest);
    return statement;
  }

  pragma(text: string): unknown[] {
    return this.#database.prepare(`PRAGMA ${text}`).all();
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}
