import { tableColumn } from '@flexbso/persistence';
import { type MigrationInterface, type QueryRunner, Table, TableColumn, TableIndex } from 'typeorm';

const { text, json, bigint, integer, boolean, instant } = tableColumn;
const key = { isPrimary: true };
const nullable = { isNullable: true };
const index = (name: string, ...columnNames: string[]) => new TableIndex({ name, columnNames });

const volume = new Table({
  name: 'volume',
  columns: [
    text('volumeId', key),
    text('tenantId'),
    text('name'),
    text('protocol'),
    text('cardId'),
    text('functionId'),
    text('state'),
    bigint('generation'),
    bigint('appliedGeneration'),
    bigint('settledGeneration'),
    json('want'),
    text('uri', nullable),
    text('changeId', nullable),
    text('cardOperationId', nullable),
    instant('createdAtMs'),
  ],
  indices: [
    new TableIndex({ name: 'volume_by_name', columnNames: ['tenantId', 'name'], isUnique: true }),
    index('volume_by_age', 'createdAtMs', 'volumeId'),
  ],
});

const volumeKey = new Table({
  name: 'volume_key',
  columns: [
    text('keyRef', key),
    text('volumeId'),
    bigint('stackGeneration'),
    text('wrapped'),
    json('sealed'),
    text('sealedTo'),
  ],
  indices: [index('volume_key_by_volume', 'volumeId')],
});

const change = new Table({
  name: 'change',
  columns: [
    text('changeId', key),
    text('volumeId'),
    text('tenantId'),
    text('volumeName'),
    text('kind'),
    json('differences'),
    bigint('fromGeneration'),
    bigint('toGeneration'),
    text('state'),
    json('plan'),
    json('steps'),
    json('progress', nullable),
    text('waitingFor', nullable),
    instant('waitingSinceMs', nullable),
    bigint('bytesCopied'),
    json('problem', nullable),
    text('requestedBy'),
    text('traceId', nullable),
    json('trace'),
    json('from', nullable),
    text('operationId', nullable),
    boolean('cardSettled'),
    boolean('reverting'),
    text('endsAs'),
    instant('createdAtMs'),
    instant('appliedAtMs', nullable),
    instant('settledAtMs', nullable),
  ],
  indices: [
    index('change_by_age', 'createdAtMs', 'changeId'),
    index('change_by_volume', 'volumeId', 'createdAtMs'),
    index('change_by_name', 'tenantId', 'volumeName', 'kind'),
    index('change_by_state', 'state'),
  ],
});

const leg = new Table({
  name: 'leg',
  columns: [
    text('legId', key),
    text('volumeId'),
    text('changeId'),
    text('poolId'),
    integer('position'),
    bigint('stackGeneration'),
    bigint('sizeBytes'),
    bigint('epoch'),
    json('holder'),
    text('state'),
    text('role'),
    text('operationId'),
    boolean('awaited'),
    boolean('heldByCard'),
    text('addressKind'),
    json('address', nullable),
    json('access', nullable),
  ],
  indices: [index('leg_by_volume', 'volumeId')],
});

const reservation = new Table({
  name: 'reservation',
  columns: [
    text('reservationId', key),
    text('volumeId'),
    text('ownerRole'),
    text('ownerId'),
    text('functionId', nullable),
    json('labels'),
    bigint('iops'),
    bigint('bytesPerSecond'),
    bigint('memoryBytes'),
    bigint('armCentiCores'),
    bigint('capacityBytes'),
  ],
  indices: [index('reservation_by_volume', 'volumeId')],
});

const agentRevision = new Table({
  name: 'agent_revision',
  columns: [
    text('role', key),
    text('agentId', key),
    bigint('revision'),
    bigint('seenRevision'),
    text('sessionId', nullable),
    bigint('sessionNumber'),
    text('diverged', nullable),
  ],
});

const desiredEntry = new Table({
  name: 'desired_entry',
  columns: [
    text('role', key),
    text('agentId', key),
    text('itemId', key),
    bigint('revision'),
    boolean('tombstone'),
    json('item'),
  ],
  indices: [index('desired_entry_by_revision', 'role', 'agentId', 'revision')],
});

const incarnation = new Table({
  name: 'incarnation',
  columns: [integer('one', key), text('incarnation'), instant('createdAtMs')],
});

const tables = [volume, volumeKey, change, leg, reservation, agentRevision, desiredEntry, incarnation];

class SchedulerTables implements MigrationInterface {
  readonly name = 'SchedulerTables1763800000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const table of tables) await queryRunner.createTable(table.clone());
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of tables.toReversed()) await queryRunner.dropTable(table.name);
  }
}

const prunedCreation = new Table({
  name: 'pruned_creation',
  columns: [text('tenantId', key), text('name', key), bigint('creations')],
});
const told = text('told', { isNullable: true });

/** What changes told of their steps, and creations that are no longer among the changes. */
class BoundedChanges implements MigrationInterface {
  readonly name = 'BoundedChanges1763800200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(prunedCreation.clone());
    await queryRunner.addColumn('change', new TableColumn(told));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropColumn('change', told.name);
    await queryRunner.dropTable(prunedCreation.name);
  }
}

const withLives = {
  agent_revision: [text('follows', nullable), json('takesOver', nullable)],
  volume: [text('settledIn', nullable)],
};
const wrapped = (isNullable: boolean) => new TableColumn(text('wrapped', { isNullable }));

/** Which life of the database agents follow, what was settled in which, and keys that only a card can open. */
class SettledLives implements MigrationInterface {
  readonly name = 'SettledLives1763950000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const [table, columns] of Object.entries(withLives))
      for (const column of columns) await queryRunner.addColumn(table, new TableColumn(column));
    await queryRunner.changeColumn('volume_key', 'wrapped', wrapped(true));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.changeColumn('volume_key', 'wrapped', wrapped(false));
    for (const [table, columns] of Object.entries(withLives))
      for (const { name } of columns) await queryRunner.dropColumn(table, name);
  }
}

const pause = new Table({ name: 'pause', columns: [text('scope', key), text('by'), instant('sinceMs')] });
const wished = ['overdue', 'paused', 'cancel', 'due'].map((name) => json(name, nullable));

/** What changes wait for and are wished to, and what is paused. */
class Wishes implements MigrationInterface {
  readonly name = 'Wishes1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.createTable(pause.clone());
    for (const column of wished) await queryRunner.addColumn('change', new TableColumn(column));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const { name } of wished) await queryRunner.dropColumn('change', name);
    await queryRunner.dropTable(pause.name);
  }
}

/** Columns that tables have from a version on. `name` ends in when it was made, in milliseconds. */
function addedColumns(
  name: string,
  added: Readonly<Record<string, readonly ReturnType<typeof json>[]>>,
): new () => MigrationInterface & { readonly name: string } {
  const columns = Object.entries(added).flatMap(([table, ofTable]) => ofTable.map((column) => ({ table, column })));
  return class implements MigrationInterface {
    readonly name = name;

    async up(queryRunner: QueryRunner): Promise<void> {
      for (const { table, column } of columns) await queryRunner.addColumn(table, new TableColumn(column));
    }

    async down(queryRunner: QueryRunner): Promise<void> {
      for (const { table, column } of columns.toReversed()) await queryRunner.dropColumn(table, column.name);
    }
  };
}

const emptyList = { default: "'[]'" };

/** How long a volume's I/O was away. */
const outages = addedColumns('Outages1763850000000', {
  change: [json('outage', nullable)],
  volume: [instant('lastOutageUntilMs', nullable)],
});
/** Cards that volumes were failed over from. */
const formerCards = addedColumns('FormerCards1763900000000', { volume: [json('formerCards', emptyList)] });
/** What was found wrong with the legs of volumes. */
const legFaults = addedColumns('LegFaults1764050000000', { volume: [json('legFaults', emptyList)] });
const snapshots = addedColumns('Snapshots1764100000000', { volume: [json('snapshots', emptyList)] });
/** The second of two stages of a change. */
const stages = addedColumns('Stages1764150000000', { change: [json('next', nullable)] });
/** Changes that wait for the one before them. */
const followUps = addedColumns('FollowUps1764200000000', { volume: [json('followUp', nullable)] });

export const schedulerMigrations = [
  SchedulerTables,
  BoundedChanges,
  outages,
  formerCards,
  SettledLives,
  Wishes,
  legFaults,
  snapshots,
  stages,
  followUps,
];
