import { tableColumn } from '@flexbso/persistence';
import { type MigrationInterface, type QueryRunner, Table, TableColumn, TableIndex } from 'typeorm';

export class AgentsTable implements MigrationInterface {
  readonly name = 'AgentsTable1760000001000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text, json, bigint, boolean, instant } = tableColumn;
    await queryRunner.createTable(
      new Table({
        name: 'agents',
        columns: [
          text('role', { isPrimary: true }),
          text('id', { isPrimary: true }),
          text('serial'),
          json('registration'),
          bigint('revision'),
          instant('unreachableSinceMs', { isNullable: true }),
          boolean('quarantined'),
          boolean('cordoned'),
          instant('registeredAtMs'),
          instant('lastHeardAtMs'),
        ],
        indices: [new TableIndex({ name: 'agents_by_serial', columnNames: ['role', 'serial'], isUnique: true })],
      }),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable('agents');
  }
}

/** Why an agent is quarantined, and the sealing key that it offers. */
export class QuarantineReasons implements MigrationInterface {
  readonly name = 'QuarantineReasons1763800100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const column of quarantineColumns()) await queryRunner.addColumn('agents', new TableColumn(column));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const { name } of quarantineColumns()) await queryRunner.dropColumn('agents', name);
  }
}

function quarantineColumns() {
  const { text } = tableColumn;
  return [text('quarantineReason', { isNullable: true }), text('offeredSealingKey', { isNullable: true })];
}
