import { setTimeout as delay } from 'node:timers/promises';
import { type DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import type { LeaseFence } from './lease/lease-store.js';

/** Refuses a transaction whose process no longer holds the lease. */
export type Fence = LeaseFence<EntityManager>;

export interface TransactionOptions {
  /**
   * PostgreSQL only. Default `READ COMMITTED`: guard what must not be lost with unique keys and compare-and-set
   * (`UPDATE … WHERE generation = …`, then check `affected`). `SERIALIZABLE` when a decision rests on rows that are
   * read but not written. SQLite runs transactions one after the other, which is always serializable.
   */
  readonly isolation?: 'READ COMMITTED' | 'SERIALIZABLE';
  /** Of a service of which one process at a time may write: the first statement of every try. */
  readonly fence?: Fence;
}

/** Each try is a whole transaction; conflicts that outlast five are contention that the caller must know of. */
const maxTries = 5;
const firstDelayMs = 5;

/** PostgreSQL's serialization_failure and deadlock_detected: nothing was done, and trying again is the cure. */
const retriable = new Set(['40001', '40P01']);

/**
 * Runs `work` in one transaction: commits when it resolves, rolls back when it rejects.
 *
 * Use only the manager that `work` is given; the data source itself is refused inside (`database-used-inside-transaction`).
 * `work` may run again after a conflict, so its effects outside the database (memory, messages, nudges) belong after
 * this promise. On SQLite everybody else waits while it runs: no network calls in it.
 *
 * @throws what `work` throws; ProblemError `fenced`, or `unavailable` when the database is away: if `work` had resolved
 *   by then, it may be committed, and what was done is found out by reading; TypeORM's `QueryFailedError` when the conflict persists; DatabaseError `database-busy`.
 */
export async function transaction<Result>(
  dataSource: DataSource,
  work: (manager: EntityManager) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  const { fence } = options;
  const fenced = fence ? (manager: EntityManager) => fence(manager).then(() => work(manager)) : work;
  const isolation = dataSource.options.type === 'postgres' ? options.isolation : undefined;
  for (let tries = 1; ; tries += 1) {
    try {
      return isolation === undefined
        ? await dataSource.transaction(fenced)
        : await dataSource.transaction(isolation, fenced);
    } catch (error) {
      if (tries >= maxTries || !isConflict(error)) throw error;
      // Full jitter, so that two which collided do not collide again.
      await delay(Math.random() * firstDelayMs * 2 ** tries);
    }
  }
}

function isConflict(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  const cause: unknown = error.driverError;
  return (
    typeof cause === 'object' &&
    cause !== null &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    retriable.has(cause.code)
  );
}
