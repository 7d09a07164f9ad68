import type { DataSource, EntityManager, ObjectLiteral } from 'typeorm';
import { writeRows } from '@flexbso/persistence';
import type { BackupRow } from '../backups/backup-file.js';
import { AgentRow, DesiredRow } from './agent.entity.js';
import { ChangeRow } from './change.entity.js';
import { LegRow, ReservationRow } from './leg.entity.js';
import { PrunedCreationRow } from './pruned-creation.entity.js';
import { VolumeKeyRow, VolumeRow } from './volume.entity.js';

/**
 * What a backup holds: all that the scheduler decides by. Not the outbox, since what it says has been said, or will be by
 * the life that it is of; not kept replies, so that a repeated request is answered as it was; not the lease.
 */
export const decidedBy: readonly (new () => ObjectLiteral)[] = [
  VolumeRow,
  VolumeKeyRow,
  ChangeRow,
  LegRow,
  ReservationRow,
  AgentRow,
  DesiredRow,
  PrunedCreationRow,
];

/** Rows read or written by one statement: with plans of up to 100 kB each, some megabytes. */
const pageRows = 200;

export async function countTables(manager: EntityManager): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const entity of decidedBy)
    counts[manager.dataSource.getMetadata(entity).tableName] = await manager.count(entity);
  return counts;
}

/** Every row of every table, as its entity has it, page by page in the order of keys. */
export async function* tableRows(manager: EntityManager): AsyncGenerator<BackupRow> {
  for (const entity of decidedBy) {
    const { tableName, columns, primaryColumns } = manager.dataSource.getMetadata(entity);
    const order = Object.fromEntries(primaryColumns.map(({ propertyName }) => [propertyName, 'ASC' as const]));
    for (let skip = 0; ; skip += pageRows) {
      const rows = await manager.find(entity, { order, skip, take: pageRows });
      for (const row of rows)
        yield [
          tableName,
          Object.fromEntries(columns.map((column) => [column.propertyName, column.getEntityValue(row)])),
        ];
      if (rows.length < pageRows) break;
    }
  }
}

/** Puts these rows in the place of all that there are. @throws what `check` of a row throws, as told by `refuse` */
export async function replaceTables(
  manager: EntityManager,
  rows: AsyncIterable<BackupRow>,
  refuse: (why: string) => Error,
): Promise<void> {
  for (const entity of decidedBy) await manager.createQueryBuilder().delete().from(entity).execute();
  let table = '';
  let batch: ObjectLiteral[] = [];
  const flush = async () => {
    const entity = entityOf(manager.dataSource, table);
    if (entity && batch.length > 0) await writeRows(manager, entity, batch, 'refuse');
    batch = [];
  };
  for await (const [name, row] of rows) {
    if (name !== table || batch.length >= pageRows) await flush();
    table = name;
    batch.push(checkedRow(manager.dataSource, name, row, refuse));
  }
  await flush();
}

/**
 * The row for this database: a column that is newer than the backup is empty.
 * @throws what `refuse` makes of a table, a column or a value that cannot be
 */
export function checkedRow(
  dataSource: DataSource,
  table: string,
  row: BackupRow[1],
  refuse: (why: string) => Error,
): ObjectLiteral {
  const entity = entityOf(dataSource, table);
  if (!entity) throw refuse(`there is no table ${table}`);
  const { columns } = dataSource.getMetadata(entity);
  const known = new Set(columns.map(({ propertyName }) => propertyName));
  const foreign = Object.keys(row).find((name) => !known.has(name));
  if (foreign !== undefined) throw refuse(`table ${table} has no column ${foreign}`);
  const checked: ObjectLiteral = {};
  for (const { propertyName, isNullable, type, transformer } of columns) {
    const value = row[propertyName] ?? null;
    const isFitting = value === null ? isNullable : fits(type, transformer !== undefined, value);
    if (!isFitting)
      throw refuse(`column ${propertyName} of table ${table} cannot be ${JSON.stringify(value).slice(0, 60)}`);
    checked[propertyName] = value;
  }
  return checked;
}

/** A text column with a transformer holds JSON; what is in it is checked by whoever reads it. */
function fits(type: unknown, isTransformed: boolean, value: unknown): boolean {
  if (type === 'bigint' || type === 'integer') return Number.isSafeInteger(value);
  if (type === 'boolean') return typeof value === 'boolean';
  return isTransformed || typeof value === 'string';
}

function entityOf(dataSource: DataSource, table: string): (new () => ObjectLiteral) | undefined {
  return decidedBy.find((entity) => dataSource.getMetadata(entity).tableName === table);
}
