import {
  type AgentRole,
  type Pause,
  desiredLegSchema,
  desiredVolumeSchema,
  finalChangeStates,
} from '@flexbso/contracts';
import { type EntityManager, In, MoreThan, Not } from 'typeorm';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { ChangeFilter, Cursor, StoreReader } from '../store/store.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { AgentRow, DesiredRow } from './agent.entity.js';
import { ChangeRow } from './change.entity.js';
import { LegRow, ReservationRow } from './leg.entity.js';
import { PauseRow } from './pause.entity.js';
import { PrunedCreationRow } from './pruned-creation.entity.js';
import { VolumeKeyRow, VolumeRow } from './volume.entity.js';

/** Reads through one manager: a transaction's, or the data source's own for reads outside any. */
export class TypeormReader implements StoreReader {
  protected readonly manager: EntityManager;

  constructor(manager: EntityManager) {
    this.manager = manager;
  }

  volume(volumeId: string): Promise<VolumeRecord | null> {
    return this.manager.findOneBy(VolumeRow, { volumeId });
  }

  volumesNamed(name: string, tenantId: string | null): Promise<VolumeRecord[]> {
    return this.manager.find(VolumeRow, { where: { name, ...(tenantId === null ? {} : { tenantId }) }, take: 2 });
  }

  volumes(tenantId: string | null, after: Cursor | null, limit: number): Promise<VolumeRecord[]> {
    return this.#volumesByAge(tenantId, after).take(limit).getMany();
  }

  volumesWithSnapshots(tenantId: string | null, after: Cursor | null, limit: number): Promise<VolumeRecord[]> {
    // The text that the column holds. A find operator would itself be written as JSON.
    return this.#volumesByAge(tenantId, after).andWhere("volume.snapshots <> '[]'").take(limit).getMany();
  }

  volumesFrom(snapshotId: string): Promise<VolumeRecord[]> {
    // In the text that the columns hold: nothing but a reference to a snapshot is followed by a closing brace.
    const origin = `%"snapshotId":"${snapshotId}"}%`;
    const isOfChange = 'change.changeId = volume.changeId AND change.state NOT IN (:...final)';
    return this.manager
      .createQueryBuilder(VolumeRow, 'volume')
      .leftJoin(ChangeRow, 'change', isOfChange, { final: [...finalChangeStates] })
      .where('(volume.want LIKE :origin OR volume.snapshots LIKE :origin OR change.from LIKE :origin)', { origin })
      .orderBy('volume.createdAtMs', 'ASC')
      .getMany();
  }

  #volumesByAge(tenantId: string | null, after: Cursor | null) {
    const query = this.manager.createQueryBuilder(VolumeRow, 'volume');
    if (tenantId !== null) query.andWhere('volume.tenantId = :tenantId', { tenantId });
    if (after !== null) {
      query.andWhere('(volume.createdAtMs > :atMs OR (volume.createdAtMs = :atMs AND volume.volumeId > :id))', {
        atMs: after.createdAtMs,
        id: after.id,
      });
    }
    return query.orderBy('volume.createdAtMs', 'ASC').addOrderBy('volume.volumeId', 'ASC');
  }

  legsOf(volumeId: string): Promise<LegRecord[]> {
    return this.manager.find(LegRow, { where: { volumeId }, order: { stackGeneration: 'ASC', position: 'ASC' } });
  }

  leg(legId: string): Promise<LegRecord | null> {
    return this.manager.findOneBy(LegRow, { legId });
  }

  keysOf(volumeId: string): Promise<KeyRecord[]> {
    return this.manager.find(VolumeKeyRow, { where: { volumeId }, order: { stackGeneration: 'ASC' } });
  }

  change(changeId: string): Promise<ChangeRecord | null> {
    return this.manager.findOneBy(ChangeRow, { changeId });
  }

  changes(filter: ChangeFilter, after: Cursor | null, limit: number): Promise<ChangeRecord[]> {
    const query = this.manager.createQueryBuilder(ChangeRow, 'change');
    if (filter.tenantId !== null) query.andWhere('change.tenantId = :tenantId', { tenantId: filter.tenantId });
    if (filter.volumeId !== null) query.andWhere('change.volumeId = :volumeId', { volumeId: filter.volumeId });
    if (after !== null) {
      query.andWhere('(change.createdAtMs < :atMs OR (change.createdAtMs = :atMs AND change.changeId < :id))', {
        atMs: after.createdAtMs,
        id: after.id,
      });
    }
    return query.orderBy('change.createdAtMs', 'DESC').addOrderBy('change.changeId', 'DESC').take(limit).getMany();
  }

  volumesWithBadLegs(limit: number): Promise<VolumeRecord[]> {
    return (
      this.manager
        .createQueryBuilder(VolumeRow, 'volume')
        // The text that the column holds. A find operator would itself be written as JSON.
        .where("volume.legFaults <> '[]'")
        .orderBy('volume.createdAtMs', 'ASC')
        .addOrderBy('volume.volumeId', 'ASC')
        .limit(limit)
        .getMany()
    );
  }

  openChanges(): Promise<ChangeRecord[]> {
    return this.manager.find(ChangeRow, {
      where: { state: Not(In([...finalChangeStates])) },
      order: { createdAtMs: 'ASC' },
    });
  }

  async creationsOf(tenantId: string, name: string): Promise<number> {
    const kept = await this.manager.countBy(ChangeRow, { tenantId, volumeName: name, kind: 'create' });
    const pruned = await this.manager.findOneBy(PrunedCreationRow, { tenantId, name });
    return kept + (pruned?.creations ?? 0);
  }

  reservations(): Promise<ReservationRecord[]> {
    return this.manager.find(ReservationRow, { order: { reservationId: 'ASC' } });
  }

  reservationsOf(volumeId: string): Promise<ReservationRecord[]> {
    return this.manager.find(ReservationRow, { where: { volumeId }, order: { reservationId: 'ASC' } });
  }

  agent(role: AgentRole, agentId: string): Promise<AgentRecord | null> {
    return this.manager.findOneBy(AgentRow, { role, agentId });
  }

  agents(): Promise<AgentRecord[]> {
    return this.manager.find(AgentRow, { order: { role: 'ASC', agentId: 'ASC' } });
  }

  async desired(role: AgentRole, agentId: string, sinceRevision: number): Promise<DesiredEntry[]> {
    const rows = await this.manager.find(DesiredRow, {
      where: { role, agentId, revision: MoreThan(sinceRevision) },
      order: { revision: 'ASC', itemId: 'ASC' },
    });
    return rows.map(entryOf);
  }

  async pauses(): Promise<Pause[]> {
    const rows = await this.manager.find(PauseRow, { order: { scope: 'ASC' } });
    return rows.map(({ scope, by, sinceMs }) => ({ cardId: scope === '' ? null : scope, by, sinceMs }));
  }

  async desiredItem(role: AgentRole, agentId: string, itemId: string): Promise<DesiredEntry | null> {
    const row = await this.manager.findOneBy(DesiredRow, { role, agentId, itemId });
    return row && entryOf(row);
  }
}

function entryOf({ role, agentId, itemId, revision, item }: DesiredRow): DesiredEntry {
  return role === 'card'
    ? { role, agentId, itemId, revision, item: desiredVolumeSchema.parse(item) }
    : { role, agentId, itemId, revision, item: desiredLegSchema.parse(item) };
}
