import { randomUUID } from 'node:crypto';
import { registerCardSchema, registerPoolSchema, subjects } from '@flexbso/contracts';
import { enqueue, type Fence, persistenceEntities, persistenceMigrations, transaction } from '@flexbso/persistence';
import { trace } from '@opentelemetry/api';
import type { DataSource, EntityManager } from 'typeorm';
import { AgentRow } from './agent-entity.js';
import { AgentsTable, QuarantineReasons } from './agents-migration.js';
import type { AgentRecord } from '../agents/agent-record.js';
import { type AgentEvent, eventOf } from '../agents/decisions.js';
import { type AgentStore, AnotherWriterError, type KeptAgent } from '../agents/agent-store.js';

/** For `databaseOptions`: everything that inventory's database holds. */
export const inventoryDatabase = {
  entities: [...persistenceEntities, AgentRow],
  migrations: [...persistenceMigrations, AgentsTable, QuarantineReasons],
  schema: 'inventory',
};

/** Agents in the service's database. */
export class DatabaseAgentStore implements AgentStore {
  readonly #dataSource: DataSource;
  readonly #fence: Fence;

  /** @param fence refuses every transaction of an inventory that no longer is the active one */
  constructor(dataSource: DataSource, fence: Fence) {
    this.#dataSource = dataSource;
    this.#fence = fence;
  }

  async load(): Promise<KeptAgent[]> {
    const rows = await this.#dataSource.manager.find(AgentRow, { order: { role: 'ASC', id: 'ASC' } });
    return rows.map((row) => ({ record: recordOf(row), lastHeardAtMs: row.lastHeardAtMs }));
  }

  async save(kept: KeptAgent, events: readonly AgentEvent[], atMs: number): Promise<void> {
    const work = async (manager: EntityManager) => {
      await write(manager, kept);
      for (const event of events) await enqueueEvent(manager, kept.record, event, atMs);
    };
    await transaction(this.#dataSource, work, { fence: this.#fence });
  }
}

const unknownReason = 'quarantined before reasons were kept: the audit trail has it';

async function write(manager: EntityManager, { record, lastHeardAtMs }: KeptAgent): Promise<void> {
  const { role, id, registration, revision, unreachableSinceMs, cordoned, registeredAtMs } = record;
  const { quarantineReason, offeredSealingKey } = record;
  const { serial } = registration;
  const values = {
    serial,
    registration,
    revision,
    unreachableSinceMs,
    quarantined: quarantineReason !== null,
    quarantineReason,
    offeredSealingKey,
    cordoned,
    registeredAtMs,
    lastHeardAtMs,
  };
  if (revision === 1) {
    await manager.insert(AgentRow, { role, id, ...values });
    return;
  }
  const { affected } = await manager.update(AgentRow, { role, id, revision: revision - 1 }, values);
  if (affected !== 1) throw new AnotherWriterError(record);
}

async function enqueueEvent(manager: EntityManager, record: AgentRecord, event: AgentEvent, atMs: number) {
  const traceId = trace.getActiveSpan()?.spanContext().traceId ?? null;
  const payload = eventOf(record, event, { eventId: randomUUID(), atMs, traceId });
  const { kind, id, what, eventId } = payload;
  await enqueue(manager, { subject: subjects.event(kind, id, what), payload, messageId: eventId });
}

/** @throws ZodError when a row does not fit the schema: better not to start than to forget a card. */
function recordOf(row: AgentRow): AgentRecord {
  const { id, revision, unreachableSinceMs, offeredSealingKey, cordoned, registeredAtMs } = row;
  const quarantineReason = row.quarantineReason ?? (row.quarantined ? unknownReason : null);
  const standing = { id, revision, unreachableSinceMs, quarantineReason, offeredSealingKey, cordoned, registeredAtMs };
  return row.role === 'card'
    ? { role: 'card', registration: registerCardSchema.parse(row.registration), ...standing }
    : { role: 'pool', registration: registerPoolSchema.parse(row.registration), ...standing };
}
