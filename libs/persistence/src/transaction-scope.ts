import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource } from 'typeorm';
import { DatabaseError } from './errors.js';

/** A transaction that is under way in this asynchronous context. */
interface Scope {
  readonly dataSource: DataSource;
  /** False once it ended: work that was started inside and outlives it may use the data source again. */
  open: boolean;
}

const scopes = new AsyncLocalStorage<Scope>();

/** Runs `work` so that using `dataSource` itself in it is refused. */
export async function insideTransaction<Result>(dataSource: DataSource, work: () => Promise<Result>): Promise<Result> {
  const scope: Scope = { dataSource, open: true };
  try {
    return await scopes.run(scope, work);
  } finally {
    scope.open = false;
  }
}

/**
 * Refuses to go on when the caller is inside a transaction of this data source: on SQLite it would wait for itself
 * for ever, on PostgreSQL it would see and write past its own transaction.
 */
export function refuseInsideTransaction(dataSource: DataSource): void {
  const scope = scopes.getStore();
  if (scope?.open !== true || scope.dataSource !== dataSource) return;
  throw new DatabaseError(
    'database-used-inside-transaction',
    'inside a transaction use only the manager that it hands to you',
  );
}
