import type { QueryRunner, TableColumnOptions } from 'typeorm';

export type TableColumnSettings = Omit<TableColumnOptions, 'name' | 'type'>;

const column =
  (type: string) =>
  (name: string, settings: TableColumnSettings = {}): TableColumnOptions => ({ ...settings, name, type });

/**
 * Columns for migrations that run on both databases: `tableColumn.text('name', { isPrimary: true })`.
 * Each matches the entity's decorator of the same name: `json` ↔ `jsonColumn`, `instant` ↔ `instantColumn`, and so on;
 * `text`, `boolean` and `integer` ↔ `@Column('text' | 'boolean' | 'integer')`.
 */
export const tableColumn = {
  text: column('text'),
  boolean: column('boolean'),
  /** 32 bits: counts and versions only. */
  integer: column('integer'),
  bigint: column('bigint'),
  instant: column('bigint'),
  json: column('text'),
  /** A 64-bit primary key that the database counts up. SQLite counts only a column called exactly `integer`. */
  sequence: (queryRunner: QueryRunner, name: string): TableColumnOptions => ({
    name,
    type: queryRunner.dataSource.options.type === 'postgres' ? 'bigint' : 'integer',
    isPrimary: true,
    isGenerated: true,
    generationStrategy: 'increment',
  }),
};
