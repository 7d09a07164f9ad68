import { type AgentRole, finalChangeStates } from '@flexbso/contracts';
import type { MemoryConnection } from '@flexbso/persistence/memory';
import { agentKey, entryKey, type SchedulerContents } from './memory-contents.js';
import type { ChangeFilter, Cursor, StoreReader } from './store.js';

export type SchedulerConnection = MemoryConnection<SchedulerContents>;

const byText = (left: string, right: string) => (left < right ? -1 : Number(left > right));

/** Reads what is committed; of a transaction, what it has. A process that is gone is never answered. */
export class MemoryReader implements StoreReader {
  protected readonly connection: SchedulerConnection;
  readonly #draft: SchedulerContents | null;

  constructor(connection: SchedulerConnection, draft: SchedulerContents | null) {
    this.connection = connection;
    this.#draft = draft;
  }

  volume = (volumeId: string) => this.connection.answer(this.contents.volumes.get(volumeId));
  leg = (legId: string) => this.connection.answer(this.contents.legs.get(legId));
  change = (changeId: string) => this.connection.answer(this.contents.changes.get(changeId));
  agent = (role: AgentRole, agentId: string) =>
    this.connection.answer(this.contents.agents.get(agentKey(role, agentId)));

  volumesNamed = (name: string, tenantId: string | null) =>
    this.connection.answer(
      this.contents.volumes
        .where((one) => one.name === name && (tenantId === null || one.tenantId === tenantId))
        .slice(0, 2),
    );

  volumes = (tenantId: string | null, after: Cursor | null, limit: number) =>
    this.connection.answer(
      this.contents.volumes
        .where((one) => tenantId === null || one.tenantId === tenantId)
        .filter((one) => after === null || byAge(cursorOf(one, one.volumeId), after) > 0)
        .toSorted((left, right) => byAge(cursorOf(left, left.volumeId), cursorOf(right, right.volumeId)))
        .slice(0, limit),
    );

  volumesWithSnapshots = (tenantId: string | null, after: Cursor | null, limit: number) =>
    this.connection.answer(
      this.contents.volumes
        .where((one) => one.snapshots.length > 0 && (tenantId === null || one.tenantId === tenantId))
        .filter((one) => after === null || byAge(cursorOf(one, one.volumeId), after) > 0)
        .toSorted((left, right) => byAge(cursorOf(left, left.volumeId), cursorOf(right, right.volumeId)))
        .slice(0, limit),
    );

  volumesFrom = (snapshotId: string) =>
    this.connection.answer(
      this.contents.volumes.where(({ want, snapshots, changeId }) =>
        [...(want.bases ?? []), ...this.#basesBefore(changeId), ...snapshots.flatMap(({ bases }) => bases)].some(
          ({ origin }) => origin?.snapshotId === snapshotId,
        ),
      ),
    );

  /** What the volume stands on until its change is over. */
  #basesBefore(changeId: string | null) {
    const change = changeId === null ? null : this.contents.changes.get(changeId);
    return change && !finalChangeStates.includes(change.state) ? (change.from?.bases ?? []) : [];
  }

  legsOf = (volumeId: string) =>
    this.connection.answer(
      this.contents.legs
        .where((one) => one.volumeId === volumeId)
        .toSorted((left, right) => left.stackGeneration - right.stackGeneration || left.position - right.position),
    );

  keysOf = (volumeId: string) =>
    this.connection.answer(
      this.contents.keys
        .where((one) => one.volumeId === volumeId)
        .toSorted((left, right) => left.stackGeneration - right.stackGeneration),
    );

  changes = ({ tenantId, volumeId }: ChangeFilter, after: Cursor | null, limit: number) =>
    this.connection.answer(
      this.contents.changes
        .where(
          (one) => (tenantId === null || one.tenantId === tenantId) && (volumeId === null || one.volumeId === volumeId),
        )
        .filter((one) => after === null || byAge(cursorOf(one, one.changeId), after) < 0)
        .toSorted((left, right) => byAge(cursorOf(right, right.changeId), cursorOf(left, left.changeId)))
        .slice(0, limit),
    );

  volumesWithBadLegs = (limit: number) =>
    this.connection.answer(
      this.contents.volumes
        .where(({ legFaults }) => legFaults.length > 0)
        .toSorted((left, right) => left.createdAtMs - right.createdAtMs)
        .slice(0, limit),
    );

  openChanges = () =>
    this.connection.answer(
      this.contents.changes
        .where((one) => !finalChangeStates.includes(one.state))
        .toSorted((left, right) => left.createdAtMs - right.createdAtMs),
    );

  creationsOf = (tenantId: string, name: string) =>
    this.connection.answer(
      this.contents.changes.where(
        (one) => one.kind === 'create' && one.tenantId === tenantId && one.volumeName === name,
      ).length,
    );

  reservations = () => this.connection.answer(this.#reservations());

  reservationsOf = (volumeId: string) =>
    this.connection.answer(this.#reservations().filter((one) => one.volumeId === volumeId));

  agents = () =>
    this.connection.answer(
      this.contents.agents
        .all()
        .toSorted((left, right) => byText(left.role, right.role) || byText(left.agentId, right.agentId)),
    );

  desired = (role: AgentRole, agentId: string, sinceRevision: number) =>
    this.connection.answer(
      this.contents.desired
        .where((one) => one.role === role && one.agentId === agentId && one.revision > sinceRevision)
        .toSorted((left, right) => left.revision - right.revision || byText(left.itemId, right.itemId)),
    );

  pauses = () => this.connection.answer(this.contents.pauses.all());

  desiredItem = (role: AgentRole, agentId: string, itemId: string) =>
    this.connection.answer(this.contents.desired.get(entryKey(role, agentId, itemId)));

  protected get contents(): SchedulerContents {
    return this.#draft ?? this.connection.contents;
  }

  #reservations() {
    return this.contents.reservations.all().toSorted((left, right) => byText(left.reservationId, right.reservationId));
  }
}

function cursorOf(record: { createdAtMs: number }, id: string): Cursor {
  return { createdAtMs: record.createdAtMs, id };
}

function byAge(left: Cursor, right: Cursor): number {
  return left.createdAtMs - right.createdAtMs || byText(left.id, right.id);
}
