import { tableColumn } from '@flexbso/persistence';
import { type MigrationInterface, type QueryRunner, Table, TableIndex } from 'typeorm';

export class TelemetryTables implements MigrationInterface {
  readonly name = 'TelemetryTables1760000002000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(eventsTable(queryRunner));
    await queryRunner.createTable(spansTable(queryRunner));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['spans', 'events']) await queryRunner.dropTable(table);
  }
}

function eventsTable(queryRunner: QueryRunner): Table {
  const { text, json, instant, sequence } = tableColumn;
  return new Table({
    name: 'events',
    columns: [
      sequence(queryRunner, 'sequence'),
      text('eventId'),
      text('kind'),
      text('id'),
      instant('atMs'),
      json('event'),
    ],
    indices: [
      new TableIndex({ name: 'events_by_event_id', columnNames: ['eventId'], isUnique: true }),
      new TableIndex({ name: 'events_by_time', columnNames: ['atMs', 'sequence'] }),
      new TableIndex({ name: 'events_by_subject', columnNames: ['id', 'kind', 'atMs', 'sequence'] }),
    ],
  });
}

function spansTable(queryRunner: QueryRunner): Table {
  const { text, json, bigint, instant, sequence } = tableColumn;
  return new Table({
    name: 'spans',
    columns: [
      sequence(queryRunner, 'sequence'),
      text('traceId'),
      text('spanId'),
      text('parentSpanId', { isNullable: true }),
      text('service'),
      text('name'),
      text('kind'),
      bigint('startUs'),
      bigint('endUs'),
      text('error', { isNullable: true }),
      json('attributes'),
      instant('receivedAtMs'),
    ],
    indices: [
      new TableIndex({ name: 'spans_by_id', columnNames: ['traceId', 'spanId'], isUnique: true }),
      new TableIndex({ name: 'spans_by_age', columnNames: ['receivedAtMs'] }),
    ],
  });
}
