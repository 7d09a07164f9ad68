import { Client } from 'pg';
import { DataSource, type DataSourceOptions, EntityManager, type QueryRunner } from 'typeorm';
import { BetterSqlite3Driver } from 'typeorm/driver/better-sqlite3/BetterSqlite3Driver.js';
import { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { IsolationLevel } from 'typeorm/driver/types/IsolationLevel.js';
import type { ReplicationMode } from 'typeorm/driver/types/ReplicationMode.js';
import { PostgresRunner } from './postgres/postgres-runner.js';
import { SerialQueryRunner } from './sqlite/serial-query-runner.js';
import { Turn } from './sqlite/turn.js';
import { insideTransaction, refuseInsideTransaction } from './transaction-scope.js';

/** TypeORM's manager, whose transactions refuse the use of the outer data source inside them. */
class GuardedManager extends EntityManager {
  override async transaction<Result>(
    ...[isolationOrWork, maybeWork]:
      | [work: (manager: EntityManager) => Promise<Result>]
      | [isolation: IsolationLevel, work: (manager: EntityManager) => Promise<Result>]
  ): Promise<Result> {
    const isolation = typeof isolationOrWork === 'string' ? isolationOrWork : this.dataSource.options.isolationLevel;
    const work = typeof isolationOrWork === 'string' ? maybeWork : isolationOrWork;
    if (work === undefined) throw new TypeError('transaction() needs the work to do');
    const guarded = async (manager: EntityManager) => {
      try {
        return await insideTransaction(this.dataSource, () => work(manager));
      } catch (error) {
        throw manager.queryRunner instanceof PostgresRunner ? manager.queryRunner.judged(error) : error;
      }
    };
    return isolation === undefined ? super.transaction(guarded) : super.transaction(isolation, guarded);
  }
}

/**
 * A TypeORM data source with what both databases need to be safe: on SQLite a serial query runner per operation
 * (see `SerialQueryRunner`), on PostgreSQL the service's schema, one starter at a time, and `unavailable` whenever the
 * server is away; on both a clear error where a transaction would wait for itself.
 */
export class Database extends DataSource {
  readonly #turn = new Turn();

  override createQueryRunner(mode: ReplicationMode = 'master'): QueryRunner {
    refuseInsideTransaction(this);
    const runner = this.#runner(mode);
    runner.manager = this.createEntityManager(runner);
    return runner;
  }

  #runner(mode: ReplicationMode): SerialQueryRunner | PostgresRunner {
    const { driver } = this;
    if (driver instanceof BetterSqlite3Driver) return new SerialQueryRunner(driver, this.#turn);
    if (driver instanceof PostgresDriver) return new PostgresRunner(driver, mode);
    throw new TypeError(`there is no query runner for ${this.options.type}: use databaseOptions()`);
  }

  override createEntityManager(queryRunner?: QueryRunner): EntityManager {
    return new GuardedManager(this, queryRunner);
  }

  /** Connects, creates the schema and runs the migrations. */
  override async initialize(): Promise<this> {
    const { options } = this;
    if (options.type !== 'postgres' || options.url === undefined || options.schema === undefined)
      return super.initialize();
    return withSchema(options.url, options.schema, () => super.initialize());
  }
}

/**
 * Opens the database: connected, schema created, migrations run.
 * Fits `TypeOrmModule.forRootAsync({ useFactory: () => databaseOptions(…), dataSourceFactory: openDatabase })`.
 */
export async function openDatabase(options?: DataSourceOptions): Promise<Database> {
  if (options === undefined) throw new TypeError('openDatabase needs the options that databaseOptions() makes');
  return new Database(options).initialize();
}

/** Only one replica at a time creates the schema and migrates; the others wait for it, at most the statement timeout. */
async function withSchema<Result>(url: string, schema: string, work: () => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, statement_timeout: 30_000 });
  let lost: Error | undefined;
  // While it only holds the lock nobody waits for its answers, and an error that nobody hears would end the process.
  client.on('error', (error) => {
    lost = error;
  });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [`flexbso/${schema}`]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    const result = await work();
    if (lost !== undefined) throw new Error('the session that guards the migrations was lost', { cause: lost });
    return result;
  } finally {
    // Ending the session gives the advisory lock back.
    await client.end();
  }
}
