import type { IsolationLevel } from 'typeorm/driver/types/IsolationLevel.js';
import { BetterSqlite3QueryRunner } from 'typeorm/driver/better-sqlite3/BetterSqlite3QueryRunner.js';
import type { BetterSqlite3Driver } from 'typeorm/driver/better-sqlite3/BetterSqlite3Driver.js';
import { NodeSqlite } from './node-sqlite.js';
import type { Turn } from './turn.js';

/**
 * A query runner of its own for each operation, on the one connection that SQLite has.
 *
 * TypeORM's driver hands the same runner to everybody: while transaction A awaits, another request's insert joins it,
 * and A's rollback takes both away. Here a transaction holds the turn from its BEGIN to its end, and a statement
 * outside any transaction takes the turn for itself, so it neither joins nor sees another's open transaction.
 */
export class SerialQueryRunner extends BetterSqlite3QueryRunner {
  readonly #turn: Turn;
  #giveBack: (() => void) | undefined;

  constructor(driver: BetterSqlite3Driver, turn: Turn) {
    super(driver);
    this.#turn = turn;
  }

  override async startTransaction(isolationLevel?: IsolationLevel): Promise<void> {
    this.#giveBack ??= await this.#turn.take();
    try {
      await super.startTransaction(isolationLevel);
    } catch (error) {
      if (this.transactionDepth === 0) this.#abandon();
      throw error;
    }
  }

  override async commitTransaction(): Promise<void> {
    await super.commitTransaction();
    if (!this.isTransactionActive) this.#end();
  }

  override async rollbackTransaction(): Promise<void> {
    await super.rollbackTransaction();
    if (!this.isTransactionActive) this.#end();
  }

  override async query(
    ...[sql, parameters, useStructuredResult]: Parameters<BetterSqlite3QueryRunner['query']>
  ): ReturnType<BetterSqlite3QueryRunner['query']> {
    if (this.#giveBack !== undefined) return super.query(immediate(sql), parameters, useStructuredResult);
    const giveBack = await this.#turn.take();
    try {
      return await super.query(sql, parameters, useStructuredResult);
    } finally {
      giveBack();
    }
  }

  /** Ends the operation. A transaction that was neither committed nor rolled back (its rollback failed) ends here. */
  override async release(): Promise<void> {
    this.#abandon();
    await super.release();
    this.isReleased = true;
  }

  #abandon(): void {
    if (this.#giveBack === undefined) return;
    const connection: unknown = this.driver.databaseConnection;
    try {
      if (connection instanceof NodeSqlite && connection.inTransaction) connection.exec('ROLLBACK');
    } finally {
      this.isTransactionActive = false;
      this.transactionDepth = 0;
      this.#end();
    }
  }

  #end(): void {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined;
    giveBack?.();
  }
}

/**
 * A deferred BEGIN takes the write lock at the first write, and then fails at once if another process (a backup tool,
 * an operator's shell) has written since the first read. IMMEDIATE waits for the lock at the start instead.
 */
function immediate(sql: string): string {
  return sql === 'BEGIN TRANSACTION' ? 'BEGIN IMMEDIATE TRANSACTION' : sql;
}
