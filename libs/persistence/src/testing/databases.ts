import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@flexbso/testkit';
import { Column, Entity, type MigrationInterface, type QueryRunner, Table } from 'typeorm';
import { bigintColumn, jsonColumn } from '../columns.js';
import { type Database, openDatabase } from '../database.js';
import { databaseOptions } from '../database-options.js';
import { persistenceEntities, persistenceMigrations } from '../persistence-migrations.js';
import { tableColumn } from '../table-columns.js';

/** What the suites store: a counter with a size and a note. */
@Entity('counters')
export class Counter {
  @Column({ type: 'text', primary: true })
  name!: string;

  @bigintColumn()
  sizeBytes!: number;

  @jsonColumn({ nullable: true })
  note!: object | string | null;

  @Column('boolean', { default: false })
  frozen!: boolean;
}

class Counters implements MigrationInterface {
  readonly name = 'Counters1760000000001';
  async up(queryRunner: QueryRunner): Promise<void> {
    const { text, bigint, json, boolean } = tableColumn;
    const columns = [
      text('name', { isPrimary: true }),
      bigint('sizeBytes'),
      json('note', { isNullable: true }),
      boolean('frozen', { default: false }),
    ];
    await queryRunner.createTable(new Table({ name: 'counters', columns }));
  }
  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable('counters');
  }
}

/** Gives URLs of empty databases of one kind. */
export interface DatabaseHost {
  freshUrl(): Promise<string>;
  stop(): Promise<void>;
}

async function sqliteHost(): Promise<DatabaseHost> {
  const folder = await mkdtemp(join(tmpdir(), 'flexbso-sqlite-'));
  let made = 0;
  return {
    freshUrl: async () => `sqlite://${join(folder, `${(made += 1)}.db`)}`,
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}

async function postgresHost(): Promise<DatabaseHost> {
  const server = await startPostgres();
  let made = 0;
  return { freshUrl: () => server.createDatabase(`fresh_${(made += 1)}`), stop: () => server.stop() };
}

/** The kinds of database that every suite runs on. */
export const databaseKinds: readonly (readonly [name: string, start: () => Promise<DatabaseHost>])[] = [
  ['node:sqlite', sqliteHost],
  ['PostgreSQL', postgresHost],
];

/** Opens a database with the tables of this library and `counters`. */
export function openFor(url: string): Promise<Database> {
  return openDatabase(
    databaseOptions(url, {
      entities: [...persistenceEntities, Counter],
      migrations: [...persistenceMigrations, Counters],
      schema: 'suite',
    }),
  );
}
