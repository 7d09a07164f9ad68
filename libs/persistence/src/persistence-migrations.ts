import { type MigrationInterface, type QueryRunner, Table, TableIndex } from 'typeorm';
import { IdempotencyKey } from './idempotency/idempotency.js';
import { InboxRow } from './inbox/inbox.js';
import { LeaseRow } from './lease/lease-row.js';
import { OutboxRow } from './outbox/outbox-row.js';
import { tableColumn } from './table-columns.js';

/** Outbox, inbox and idempotency keys. TypeORM keeps the name, which ends with the instant that orders migrations. */
class PersistenceTables implements MigrationInterface {
  readonly name = 'PersistenceTables1760000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text, json, instant, sequence } = tableColumn;
    await queryRunner.createTable(
      new Table({
        name: 'outbox',
        columns: [
          sequence(queryRunner, 'sequence'),
          text('messageId'),
          text('subject'),
          json('payload'),
          json('headers'),
          instant('createdAtMs'),
        ],
      }),
    );
    await queryRunner.createTable(
      new Table({
        name: 'inbox',
        columns: [
          text('consumer', { isPrimary: true }),
          text('messageId', { isPrimary: true }),
          instant('handledAtMs'),
        ],
        indices: [new TableIndex({ name: 'inbox_by_age', columnNames: ['handledAtMs'] })],
      }),
    );
    await queryRunner.createTable(
      new Table({
        name: 'idempotency_keys',
        columns: [
          text('scope', { isPrimary: true }),
          text('key', { isPrimary: true }),
          text('requestDigest'),
          json('response', { isNullable: true }),
          instant('createdAtMs'),
        ],
        indices: [new TableIndex({ name: 'idempotency_keys_by_age', columnNames: ['createdAtMs'] })],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['idempotency_keys', 'inbox', 'outbox']) await queryRunner.dropTable(table);
  }
}

/** The lease of which one process at a time is the holder. */
class ServiceLeases implements MigrationInterface {
  readonly name = 'ServiceLeases1763900000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text, bigint, instant } = tableColumn;
    const columns = [text('name', { isPrimary: true }), text('holder'), bigint('token'), instant('expiresAtMs')];
    await queryRunner.createTable(new Table({ name: 'service_lease', columns }));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable('service_lease');
  }
}

/** To be listed before a service's own entities and migrations. */
export const persistenceEntities = [OutboxRow, InboxRow, IdempotencyKey, LeaseRow];
export const persistenceMigrations = [PersistenceTables, ServiceLeases];
