import { tableColumn } from '@flexbso/persistence';
import { type MigrationInterface, type QueryRunner, Table, TableIndex } from 'typeorm';

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
