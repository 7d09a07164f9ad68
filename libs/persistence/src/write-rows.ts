import type { EntityManager, EntityMetadata, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * What becomes of a row whose key is there already: `refuse` fails the statement, `keep` leaves the old row as it is,
 * `replace` writes every column anew.
 */
export type OnConflict = 'refuse' | 'keep' | 'replace';

/** Below the parameters that one statement may have: 32,766 on SQLite, 65,535 on PostgreSQL. */
const maxParameters = 30_000;

/**
 * Writes whole rows by statements that are built once and then only filled: TypeORM's own builder takes some tenths of
 * a millisecond for each, most of what a small transaction costs. Columns, their types and transformers are the entity's.
 *
 * Rows go in their order, as many to a statement as the largest power of two that fits, so that few different
 * statements are ever prepared. More than one row may therefore be more than one statement: give a transaction's manager.
 *
 * @param rows every column that the database does not count up itself; a missing property is NULL.
 */
export async function writeRows<Row extends ObjectLiteral>(
  manager: EntityManager,
  entity: EntityTarget<Row>,
  rows: readonly Partial<Row>[],
  onConflict: OnConflict,
): Promise<void> {
  const metadata = manager.dataSource.getMetadata(entity);
  const columns = writtenColumns(metadata);
  const maxRows = Math.floor(maxParameters / columns.length);
  const { driver } = manager.dataSource;
  for (let at = 0; at < rows.length;) {
    const count = 2 ** Math.floor(Math.log2(Math.min(rows.length - at, maxRows)));
    const parameters = rows.slice(at, at + count).flatMap((row) =>
      columns.map((column): unknown => {
        const value: unknown = driver.preparePersistentValue(column.getEntityValue(row), column);
        return value ?? null;
      }),
    );
    await manager.query(statementOf(manager, metadata, count, onConflict), parameters);
    at += count;
  }
}

/** At most some tens for each entity: a power of two of rows, and three ways to meet a conflict. */
const statements = new WeakMap<EntityMetadata, Map<string, string>>();

function statementOf(manager: EntityManager, metadata: EntityMetadata, count: number, onConflict: OnConflict): string {
  const known = statements.get(metadata) ?? new Map<string, string>();
  statements.set(metadata, known);
  const key = `${onConflict} ${count}`;
  const statement = known.get(key) ?? buildStatement(manager, metadata, count, onConflict);
  known.set(key, statement);
  return statement;
}

function buildStatement(
  { dataSource: { driver } }: EntityManager,
  metadata: EntityMetadata,
  count: number,
  onConflict: OnConflict,
): string {
  const columns = writtenColumns(metadata);
  const names = columns.map((column) => driver.escape(column.databaseName));
  const tuples = Array.from({ length: count }, (_, row) => {
    const places = names.map((_name, column) => {
      const index = row * names.length + column;
      return driver.createParameter(`p${index}`, index);
    });
    return `(${places.join(', ')})`;
  });
  const into = `INSERT INTO ${driver.escape(metadata.tableName)} (${names.join(', ')}) VALUES ${tuples.join(', ')}`;
  if (onConflict === 'refuse') return into;
  if (onConflict === 'keep') return `${into} ON CONFLICT DO NOTHING`;
  const keys = metadata.primaryColumns.map((column) => driver.escape(column.databaseName));
  const rest = names.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`);
  return `${into} ON CONFLICT (${keys.join(', ')}) DO ${rest.length > 0 ? `UPDATE SET ${rest.join(', ')}` : 'NOTHING'}`;
}

function writtenColumns({ columns }: EntityMetadata) {
  return columns.filter((column) => !column.isGenerated);
}
