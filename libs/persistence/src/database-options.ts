import { fileURLToPath } from 'node:url';
import type { DataSourceOptions, EntitySchema, MigrationInterface } from 'typeorm';
import { DatabaseError } from './errors.js';
import { NodeSqlite } from './sqlite/node-sqlite.js';

type EntityClass = new () => object;

/** What a service's database holds; the same for SQLite and PostgreSQL. */
export interface DatabaseContents {
  readonly entities: readonly (EntityClass | EntitySchema)[];
  /** The service's own, and `persistenceMigrations` when it uses outbox, inbox or idempotency keys. */
  readonly migrations: readonly (new () => MigrationInterface)[];
  /** PostgreSQL: the service's own schema, created at start (`inventory`, `scheduler`, …). SQLite has a file each. */
  readonly schema: string;
}

/** How long a statement waits for another process that holds SQLite's lock. It blocks the event loop: keep it short. */
const sqliteBusyTimeoutMs = 2_000;

/** PostgreSQL's default is 100 connections for all: ten each leave room for five services with a standby. */
const postgresPoolSize = 10;
const postgresConnectTimeoutMs = 5_000;
/** No statement of a control plane is legitimate for longer. */
const postgresStatementTimeoutMs = 30_000;
/**
 * A transaction that waits for its own process. Below the lease of a service (`serviceLeaseTimes`): a process that is
 * stopped in the middle of one holds the lease's row, and must not keep its successor from it.
 */
const postgresIdleTransactionTimeoutMs = 4_000;

/**
 * TypeORM's options for a database URL. Migrations run at start, in one transaction. Open it with `openDatabase`,
 * which brings the safe query runner; a plain `new DataSource(options)` on SQLite loses acknowledged writes.
 *
 * @param url `sqlite:///absolute/path.db` (embedded default: WAL, synchronous FULL, foreign keys) or
 *   `postgres://user:password@host:port/database`.
 * @throws DatabaseError `database-url-unsupported` or `database-schema-invalid`; the URL's password is not repeated.
 */
export function databaseOptions(url: string, contents: DatabaseContents): DataSourceOptions {
  const parsed = URL.parse(url);
  const shared = {
    entities: [...contents.entities],
    migrations: [...contents.migrations],
    migrationsRun: true,
    migrationsTransactionMode: 'all' as const,
    synchronize: false,
  };
  switch (parsed?.protocol) {
    case 'sqlite:':
      return { ...shared, ...sqliteOptions(parsed) };
    case 'postgres:':
    case 'postgresql:':
      return { ...shared, ...postgresOptions(parsed, contents.schema) };
    default:
      throw unsupported(parsed?.protocol ?? 'not a URL');
  }
}

function unsupported(what: string): DatabaseError {
  return new DatabaseError(
    'database-url-unsupported',
    `${what}; use sqlite:///absolute/path.db or postgres://user:password@host:port/database`,
  );
}

function sqliteOptions(url: URL) {
  if (url.host !== '' || url.pathname.length < 2)
    throw unsupported('a sqlite URL names an absolute path after three slashes');
  return {
    type: 'better-sqlite3' as const,
    database: fileURLToPath(`file://${url.pathname}`),
    driver: NodeSqlite,
    timeout: sqliteBusyTimeoutMs,
    enableWAL: true,
    // WAL alone syncs at checkpoints only: an acknowledged write would be lost with the power.
    prepareDatabase: (database: NodeSqlite): void => void database.pragma('synchronous = FULL'),
  };
}

function postgresOptions(url: URL, schema: string) {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new DatabaseError(
      'database-schema-invalid',
      `"${schema}"; a schema is 1 to 63 lower-case letters, digits and underscores`,
    );
  }
  return {
    type: 'postgres' as const,
    url: url.href,
    schema,
    applicationName: `flexbso-${schema}`,
    poolSize: postgresPoolSize,
    connectTimeoutMS: postgresConnectTimeoutMs,
    installExtensions: false,
    extra: {
      // Raw statements find the service's tables too, and nobody else's.
      options: `-c search_path=${schema}`,
      statement_timeout: postgresStatementTimeoutMs,
      idle_in_transaction_session_timeout: postgresIdleTransactionTimeoutMs,
    },
  };
}
