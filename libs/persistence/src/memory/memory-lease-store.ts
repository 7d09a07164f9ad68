import type { LeaseStore } from '../lease/lease-store.js';
import type { MemoryConnection, MemoryContents } from './memory-database.js';

export interface MemoryLeaseOptions {
  readonly name: string;
  /** The database's clock, one for all who compete, in milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** A lease in a database in memory, as one process reaches it. A transaction keeps it from being taken over, as on SQLite. */
export class MemoryLeaseStore<Contents extends MemoryContents<Contents>> implements LeaseStore<unknown> {
  readonly #connection: MemoryConnection<Contents>;
  readonly #options: MemoryLeaseOptions;

  constructor(connection: MemoryConnection<Contents>, options: MemoryLeaseOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  acquire(holder: string, leaseMs: number): Promise<number | null> {
    return this.#connection.statement(() => {
      const nowMs = this.#nowMs();
      const row = this.#row();
      if (row !== null && row.expiresAtMs > nowMs) return null;
      const token = row === null ? nowMs : Math.max(row.token + 1, nowMs);
      this.#write({ holder, token, expiresAtMs: nowMs + leaseMs });
      return token;
    });
  }

  renew(token: number, leaseMs: number): Promise<boolean> {
    return this.#connection.statement(() => {
      const row = this.#row();
      if (row?.token !== token) return false;
      this.#write({ ...row, expiresAtMs: this.#nowMs() + leaseMs });
      return true;
    });
  }

  release(token: number): Promise<void> {
    return this.#connection.statement(() => {
      if (this.#row()?.token === token) this.#write({ holder: '', token: token + 1, expiresAtMs: 0 });
    });
  }

  look(): Promise<{ holder: string; remainingMs: number } | null> {
    const row = this.#row();
    return this.#connection.answer(row && { holder: row.holder, remainingMs: row.expiresAtMs - this.#nowMs() });
  }

  /** The transaction has the whole database: what is there now is there until its end. */
  isFenced(_transaction: unknown, token: number): Promise<boolean> {
    return this.#connection.answer(this.#row()?.token !== token);
  }

  #nowMs(): number {
    return Math.floor(this.#options.nowMs());
  }

  #row() {
    return this.#connection.leases.get(this.#options.name) ?? null;
  }

  #write(row: { holder: string; token: number; expiresAtMs: number }): void {
    this.#connection.leases.set(this.#options.name, row);
  }
}
