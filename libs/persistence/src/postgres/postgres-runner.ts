import { ProblemError } from '@flexbso/contracts';
import { QueryFailedError } from 'typeorm';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import { isAway } from './away.js';

/**
 * A query runner that says in one way that the database is away, whichever of the ways its client library has. The
 * pool drops the broken connection, and opens another for whoever asks next.
 */
export class PostgresRunner extends PostgresQueryRunner {
  #isReleasedByUs = false;

  override async connect(): ReturnType<PostgresQueryRunner['connect']> {
    try {
      return await super.connect();
    } catch (error) {
      throw away(error);
    }
  }

  /** @throws ProblemError `unavailable`; else TypeORM's errors */
  override async query(
    ...[sql, parameters, useStructuredResult]: Parameters<PostgresQueryRunner['query']>
  ): ReturnType<PostgresQueryRunner['query']> {
    try {
      return await super.query(sql, parameters, useStructuredResult);
    } catch (error) {
      const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
      throw isAway(cause) ? away(error) : this.judged(error);
    }
  }

  /**
   * What an error of whoever uses this runner says. A connection that breaks between two statements releases its
   * runner behind their backs, and TypeORM tells them of a mistake of theirs.
   */
  judged(error: unknown): unknown {
    return this.isReleased && !this.#isReleasedByUs ? away(error) : error;
  }

  override release(): Promise<void> {
    this.#isReleasedByUs = true;
    return super.release();
  }
}

function away(cause: unknown): ProblemError {
  if (cause instanceof ProblemError) return cause;
  const detail =
    'the database does not answer; ask again, with the same Idempotency-Key: it may have been done, and then is not done twice';
  return new ProblemError({ code: 'unavailable', detail }, { cause });
}
