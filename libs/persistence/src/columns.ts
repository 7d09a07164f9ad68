import { Column, type ColumnOptions, type ValueTransformer } from 'typeorm';
import { DatabaseError } from './errors.js';

/** What a column may say beyond its type. */
export type ColumnSettings = Pick<ColumnOptions, 'name' | 'nullable' | 'primary' | 'unique' | 'update'>;

/** @throws DatabaseError `value-unsafe` */
export function safeInteger(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw new DatabaseError('value-unsafe', `${String(value)} is not an integer of at most 2^53 - 1 in size`);
}

/** PostgreSQL hands bigint out as text, and SQLite as a number; the entity always has a safe number. */
export const bigintTransformer: ValueTransformer = {
  // Find operators and absent values pass: TypeORM sends them through here too.
  to: (value: unknown) => (typeof value === 'number' ? safeInteger(value) : value),
  from: (value: unknown) => (value === null || value === undefined ? value : safeInteger(value)),
};

const jsonTransformer: ValueTransformer = {
  to: (value: unknown) => (value === null || value === undefined ? value : JSON.stringify(value)),
  from: (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value),
};

/** A 64-bit integer as a number: sizes in bytes, generations, revisions. Beyond 2^53 - 1: `value-unsafe`. */
export function bigintColumn(settings: ColumnSettings = {}): PropertyDecorator {
  return Column({ ...settings, type: 'bigint', transformer: bigintTransformer });
}

/**
 * An instant as milliseconds since the epoch; name the property `…AtMs`. Set by the service, never by the database:
 * SQLite's own timestamps have a precision of one second.
 */
export function instantColumn(settings: ColumnSettings = {}): PropertyDecorator {
  return bigintColumn(settings);
}

/** A JSON value, kept as text on both databases so that what is read is exactly what was written. Not for searching. */
export function jsonColumn(settings: ColumnSettings = {}): PropertyDecorator {
  return Column({ ...settings, type: 'text', transformer: jsonTransformer });
}

/** A primary key that the database counts up, as a safe number; `tableColumn.sequence` in the migration. */
export function sequenceColumn(): PropertyDecorator {
  return Column({ type: 'bigint', primary: true, generated: 'increment', transformer: bigintTransformer });
}
