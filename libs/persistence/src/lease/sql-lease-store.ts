import type { DataSource, EntityManager } from 'typeorm';
import { safeInteger } from '../columns.js';
import { LeaseRow } from './lease-row.js';
import type { LeaseStore } from './lease-store.js';

/** A lease as a row of the database. Each method is one statement, so that none is ever half done. */
export class SqlLeaseStore implements LeaseStore<EntityManager> {
  readonly #dataSource: DataSource;
  readonly #name: string;
  readonly #nowMs: string;
  readonly #greatest: string;
  readonly #fence: string;

  constructor(dataSource: DataSource, name: string) {
    this.#dataSource = dataSource;
    this.#name = name;
    const isPostgres = dataSource.options.type === 'postgres';
    // Not now(): that is when the transaction began, which may be long before a lock was given.
    this.#nowMs = isPostgres
      ? '(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint'
      : "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    this.#greatest = isPostgres ? 'GREATEST' : 'MAX';
    this.#fence = isPostgres
      ? 'SELECT 1 FROM "service_lease" WHERE "name" = $1 AND "token" = $2 FOR SHARE'
      : 'SELECT 1 FROM "service_lease" WHERE "name" = ? AND "token" = ?';
  }

  async acquire(holder: string, leaseMs: number): Promise<number | null> {
    const [nowMs, greatest] = [() => this.#nowMs, () => this.#greatest];
    const rows: unknown = await this.#dataSource.manager.sql`
      INSERT INTO "service_lease" ("name", "holder", "token", "expiresAtMs")
      VALUES (${this.#name}, ${holder}, ${nowMs}, ${nowMs} + ${() => String(leaseMs)})
      ON CONFLICT ("name") DO UPDATE SET
        "holder" = excluded."holder",
        "token" = ${greatest}("service_lease"."token" + 1, excluded."token"),
        "expiresAtMs" = excluded."expiresAtMs"
      WHERE "service_lease"."expiresAtMs" <= ${nowMs}
      RETURNING "token"`;
    return tokenIn(rows);
  }

  async renew(token: number, leaseMs: number): Promise<boolean> {
    const { affected } = await this.#dataSource.manager.update(
      LeaseRow,
      { name: this.#name, token },
      { expiresAtMs: () => `${this.#nowMs} + ${leaseMs}` },
    );
    return affected === 1;
  }

  async release(token: number): Promise<void> {
    await this.#dataSource.manager.update(
      LeaseRow,
      { name: this.#name, token },
      { expiresAtMs: 0, token: token + 1, holder: '' },
    );
  }

  async look() {
    const rows: unknown = await this.#dataSource.manager.sql`
      SELECT "holder", "expiresAtMs" - ${() => this.#nowMs} AS "remainingMs"
      FROM "service_lease" WHERE "name" = ${this.#name}`;
    const row = firstOf(rows);
    if (row === null) return null;
    return { holder: String(fieldOf(row, 'holder')), remainingMs: safeInteger(fieldOf(row, 'remainingMs')) };
  }

  /**
   * PostgreSQL locks the row in share mode, so that a takeover waits for the commit; on SQLite the transaction has the
   * whole database.
   */
  async isFenced(manager: EntityManager, token: number): Promise<boolean> {
    const rows: unknown = await manager.query(this.#fence, [this.#name, token]);
    return firstOf(rows) === null;
  }
}

function tokenIn(rows: unknown): number | null {
  const row = firstOf(rows);
  return row === null ? null : safeInteger(fieldOf(row, 'token'));
}

function firstOf(rows: unknown): object | null {
  if (!Array.isArray(rows)) throw new TypeError('the database driver gave no rows');
  const [first]: unknown[] = rows;
  return typeof first === 'object' && first !== null ? first : null;
}

function fieldOf(row: object, name: string): unknown {
  const field: unknown = Reflect.get(row, name);
  return field;
}
