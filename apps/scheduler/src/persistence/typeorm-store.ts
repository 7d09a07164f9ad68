import { randomUUID } from 'node:crypto';
import { type AgentRole, type BsoEvent, type Pause, subjects } from '@flexbso/contracts';
import {
  enqueue,
  type Fence,
  idempotent,
  persistenceEntities,
  persistenceMigrations,
  transaction,
  writeRows,
} from '@flexbso/persistence';
import type { DataSource, EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { IdempotentCall, SchedulerStore, StoreReader, StoreTransaction } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { AgentRow, DesiredRow, IncarnationRow } from './agent.entity.js';
import { decidedBy } from './backup-tables.js';
import { ChangeRow } from './change.entity.js';
import { LegRow, ReservationRow } from './leg.entity.js';
import { schedulerMigrations } from './migrations.js';
import { PauseRow } from './pause.entity.js';
import { TypeormReader } from './typeorm-reader.js';
import { VolumeKeyRow, VolumeRow } from './volume.entity.js';

/** For `databaseOptions`: everything that the scheduler's database holds. */
export const schedulerDatabase = {
  entities: [
    ...persistenceEntities,
    // One list, so that nothing is ever kept and left out of a backup.
    ...decidedBy,
    // Of this database and this moment: a restore leaves them as they are.
    IncarnationRow,
    PauseRow,
  ],
  migrations: [...persistenceMigrations, ...schedulerMigrations],
  schema: 'scheduler',
};

class TypeormTransaction extends TypeormReader implements StoreTransaction {
  readonly #agents = new Map<string, AgentRecord>();

  putVolume(volume: VolumeRecord): Promise<void> {
    return this.#put(VolumeRow, volume);
  }

  async deleteVolume(volumeId: string): Promise<void> {
    await this.manager.delete(VolumeRow, { volumeId });
  }

  putLeg(leg: LegRecord): Promise<void> {
    return this.#put(LegRow, leg);
  }

  async deleteLeg(legId: string): Promise<void> {
    await this.manager.delete(LegRow, { legId });
  }

  putKey(key: KeyRecord): Promise<void> {
    return this.#put(VolumeKeyRow, key);
  }

  async deleteKey(keyRef: string): Promise<void> {
    await this.manager.delete(VolumeKeyRow, { keyRef });
  }

  putChange(change: ChangeRecord): Promise<void> {
    return this.#put(ChangeRow, change);
  }

  putReservation(reservation: ReservationRecord): Promise<void> {
    return this.#put(ReservationRow, reservation);
  }

  async deleteReservation(reservationId: string): Promise<void> {
    await this.manager.delete(ReservationRow, { reservationId });
  }

  /** Asked for several times in a transaction, which alone writes it: read once. */
  override async agent(role: AgentRole, agentId: string): Promise<AgentRecord | null> {
    const key = `${role} ${agentId}`;
    const known = this.#agents.get(key) ?? (await super.agent(role, agentId));
    if (known) this.#agents.set(key, known);
    return known;
  }

  putAgent(agent: AgentRecord): Promise<void> {
    this.#agents.set(`${agent.role} ${agent.agentId}`, agent);
    return this.#put(AgentRow, agent);
  }

  putDesired(entry: DesiredEntry): Promise<void> {
    return this.#put(DesiredRow, { ...entry, tombstone: entry.item.tombstone });
  }

  async deleteDesired(role: AgentRole, agentId: string, itemId: string): Promise<void> {
    await this.manager.delete(DesiredRow, { role, agentId, itemId });
  }

  putPause({ cardId, by, sinceMs }: Pause): Promise<void> {
    return this.#put(PauseRow, { scope: cardId ?? '', by, sinceMs });
  }

  async deletePause(cardId: string | null): Promise<void> {
    await this.manager.delete(PauseRow, { scope: cardId ?? '' });
  }

  async enqueueEvents(events: readonly BsoEvent[], headers: Record<string, string>): Promise<void> {
    const messages = events.map((event) => {
      const subject = subjects.event(event.kind, event.id, event.what);
      return { subject, payload: event, headers, messageId: event.eventId };
    });
    await enqueue(this.manager, ...messages);
  }

  async idempotent<Reply>(
    { scope, key, requestDigest, replySchema }: IdempotentCall<Reply>,
    work: () => Promise<Reply>,
  ): Promise<Reply> {
    const { response } = await idempotent(
      this.manager,
      { scope, key, requestDigest, responseSchema: replySchema },
      work,
    );
    return response;
  }

  #put<Row extends ObjectLiteral>(entity: EntityTarget<Row>, row: Row): Promise<void> {
    return writeRows(this.manager, entity, [row], 'replace');
  }
}

/** The scheduler's store on SQLite or PostgreSQL. The data source belongs to whoever opened it. */
export class TypeormStore implements SchedulerStore {
  readonly #dataSource: DataSource;
  readonly #fence: Fence;

  /** @param fence refuses every transaction of a scheduler that no longer is the active one */
  constructor(dataSource: DataSource, fence: Fence) {
    this.#dataSource = dataSource;
    this.#fence = fence;
  }

  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#transaction((manager) => work(new TypeormTransaction(manager)));
  }

  read<T>(work: (reader: StoreReader) => Promise<T>): Promise<T> {
    return work(new TypeormReader(this.#dataSource.manager));
  }

  async incarnation(): Promise<string> {
    return this.#transaction(async (manager) => {
      const known = await manager.findOneBy(IncarnationRow, { one: 1 });
      if (known) return known.incarnation;
      const incarnation = randomUUID();
      await manager.insert(IncarnationRow, { one: 1, incarnation, createdAtMs: Date.now() });
      return incarnation;
    });
  }

  async renewIncarnation(): Promise<string> {
    const incarnation = randomUUID();
    const row = { one: 1, incarnation, createdAtMs: Date.now() };
    await this.#transaction((manager) => writeRows(manager, IncarnationRow, [row], 'replace'));
    return incarnation;
  }

  #transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return transaction(this.#dataSource, work, { fence: this.#fence });
  }
}
