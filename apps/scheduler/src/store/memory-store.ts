import { randomUUID } from 'node:crypto';
import { type AgentRole, type BsoEvent, finalChangeStates, type Pause, ProblemError } from '@flexbso/contracts';
import type { AgentRecord } from '../agents/agent-record.js';
import { restoredAgents } from '../agents/restored-agents.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { ChangeFilter, Cursor, IdempotentCall, SchedulerStore, StoreReader, StoreTransaction } from './store.js';

/** Everything that the database would hold. */
class Contents {
  readonly volumes = new Map<string, VolumeRecord>();
  readonly legs = new Map<string, LegRecord>();
  readonly keys = new Map<string, KeyRecord>();
  readonly changes = new Map<string, ChangeRecord>();
  readonly reservations = new Map<string, ReservationRecord>();
  readonly agents = new Map<string, AgentRecord>();
  readonly desired = new Map<string, DesiredEntry>();
  readonly pauses = new Map<string, Pause>();
  readonly replies = new Map<string, { requestDigest: string; reply: unknown }>();
  outbox: { event: BsoEvent; headers: Record<string, string> }[] = [];
}

/** A table that remembers how to take back what this transaction did. */
class UndoLog {
  readonly #undos: (() => void)[] = [];

  put<Value>(table: Map<string, Value>, key: string, value: Value): void {
    this.#remember(table, key);
    table.set(key, structuredClone(value));
  }

  remove<Value>(table: Map<string, Value>, key: string): void {
    this.#remember(table, key);
    table.delete(key);
  }

  rollBack(): void {
    for (const undo of this.#undos.toReversed()) undo();
  }

  #remember<Value>(table: Map<string, Value>, key: string): void {
    const before = table.get(key);
    this.#undos.push(() => void (before === undefined ? table.delete(key) : table.set(key, before)));
  }
}

const byText = (left: string, right: string) => (left < right ? -1 : Number(left > right));
const agentKey = (role: AgentRole, agentId: string) => `${role}/${agentId}`;
const entryKey = (role: AgentRole, agentId: string, itemId: string) => `${role}/${agentId}/${itemId}`;

class MemoryReader implements StoreReader {
  protected readonly contents: Contents;

  constructor(contents: Contents) {
    this.contents = contents;
  }

  volume = async (volumeId: string) => copyOf(this.contents.volumes.get(volumeId));
  leg = async (legId: string) => copyOf(this.contents.legs.get(legId));
  change = async (changeId: string) => copyOf(this.contents.changes.get(changeId));
  agent = async (role: AgentRole, agentId: string) => copyOf(this.contents.agents.get(agentKey(role, agentId)));

  volumesNamed = async (name: string, tenantId: string | null) =>
    this.#select(
      this.contents.volumes,
      (one) => one.name === name && (tenantId === null || one.tenantId === tenantId),
    ).slice(0, 2);

  volumes = async (tenantId: string | null, after: Cursor | null, limit: number) =>
    this.#select(this.contents.volumes, (one) => tenantId === null || one.tenantId === tenantId)
      .filter((one) => after === null || byAge(cursorOf(one, one.volumeId), after) > 0)
      .toSorted((left, right) => byAge(cursorOf(left, left.volumeId), cursorOf(right, right.volumeId)))
      .slice(0, limit);

  legsOf = async (volumeId: string) =>
    this.#select(this.contents.legs, (one) => one.volumeId === volumeId).toSorted(
      (left, right) => left.stackGeneration - right.stackGeneration || left.position - right.position,
    );

  keysOf = async (volumeId: string) =>
    this.#select(this.contents.keys, (one) => one.volumeId === volumeId).toSorted(
      (left, right) => left.stackGeneration - right.stackGeneration,
    );

  changes = async ({ tenantId, volumeId }: ChangeFilter, after: Cursor | null, limit: number) =>
    this.#select(
      this.contents.changes,
      (one) => (tenantId === null || one.tenantId === tenantId) && (volumeId === null || one.volumeId === volumeId),
    )
      .filter((one) => after === null || byAge(cursorOf(one, one.changeId), after) < 0)
      .toSorted((left, right) => byAge(cursorOf(right, right.changeId), cursorOf(left, left.changeId)))
      .slice(0, limit);

  openChanges = async () =>
    this.#select(this.contents.changes, (one) => !finalChangeStates.includes(one.state)).toSorted(
      (left, right) => left.createdAtMs - right.createdAtMs,
    );

  creationsOf = async (tenantId: string, name: string) =>
    this.#select(
      this.contents.changes,
      (one) => one.kind === 'create' && one.tenantId === tenantId && one.volumeName === name,
    ).length;

  reservations = async () =>
    this.#select(this.contents.reservations, () => true).toSorted((left, right) =>
      byText(left.reservationId, right.reservationId),
    );

  reservationsOf = async (volumeId: string) => (await this.reservations()).filter((one) => one.volumeId === volumeId);

  agents = async () =>
    this.#select(this.contents.agents, () => true).toSorted(
      (left, right) => byText(left.role, right.role) || byText(left.agentId, right.agentId),
    );

  desired = async (role: AgentRole, agentId: string, sinceRevision: number) =>
    this.#select(
      this.contents.desired,
      (one) => one.role === role && one.agentId === agentId && one.revision > sinceRevision,
    ).toSorted((left, right) => left.revision - right.revision || byText(left.itemId, right.itemId));

  pauses = async () => this.#select(this.contents.pauses, () => true);

  desiredItem = async (role: AgentRole, agentId: string, itemId: string) =>
    copyOf(this.contents.desired.get(entryKey(role, agentId, itemId)));

  #select<Value>(table: Map<string, Value>, wanted: (value: Value) => boolean): Value[] {
    return structuredClone([...table.values()].filter(wanted));
  }
}

class MemoryTransaction extends MemoryReader implements StoreTransaction {
  /** Published only if the transaction commits. */
  readonly events: { event: BsoEvent; headers: Record<string, string> }[] = [];
  readonly #log: UndoLog;

  constructor(contents: Contents, log: UndoLog) {
    super(contents);
    this.#log = log;
  }

  putVolume = async (volume: VolumeRecord) => this.#log.put(this.contents.volumes, volume.volumeId, volume);
  deleteVolume = async (volumeId: string) => this.#log.remove(this.contents.volumes, volumeId);
  putLeg = async (leg: LegRecord) => this.#log.put(this.contents.legs, leg.legId, leg);
  deleteLeg = async (legId: string) => this.#log.remove(this.contents.legs, legId);
  putKey = async (key: KeyRecord) => this.#log.put(this.contents.keys, key.keyRef, key);
  deleteKey = async (keyRef: string) => this.#log.remove(this.contents.keys, keyRef);
  putChange = async (change: ChangeRecord) => this.#log.put(this.contents.changes, change.changeId, change);
  putReservation = async (one: ReservationRecord) => this.#log.put(this.contents.reservations, one.reservationId, one);
  deleteReservation = async (reservationId: string) => this.#log.remove(this.contents.reservations, reservationId);
  putAgent = async (agent: AgentRecord) =>
    this.#log.put(this.contents.agents, agentKey(agent.role, agent.agentId), agent);
  putDesired = async (one: DesiredEntry) =>
    this.#log.put(this.contents.desired, entryKey(one.role, one.agentId, one.itemId), one);
  deleteDesired = async (role: AgentRole, agentId: string, itemId: string) =>
    this.#log.remove(this.contents.desired, entryKey(role, agentId, itemId));

  putPause = async (pause: Pause) => this.#log.put(this.contents.pauses, pause.cardId ?? '', pause);
  deletePause = async (cardId: string | null) => this.#log.remove(this.contents.pauses, cardId ?? '');

  async enqueueEvents(events: readonly BsoEvent[], headers: Record<string, string>): Promise<void> {
    for (const event of events) this.events.push(structuredClone({ event, headers }));
  }

  async idempotent<Reply>(call: IdempotentCall<Reply>, work: () => Promise<Reply>): Promise<Reply> {
    const key = JSON.stringify([call.scope, call.key]);
    const kept = this.contents.replies.get(key);
    if (kept === undefined) {
      const reply = await work();
      this.#log.put(this.contents.replies, key, { requestDigest: call.requestDigest, reply });
      return reply;
    }
    if (kept.requestDigest === call.requestDigest) return call.replySchema.parse(structuredClone(kept.reply));
    throw new ProblemError({
      code: 'idempotency-key-reused',
      detail: 'This Idempotency-Key was used with another request; send a new key with a new request.',
    });
  }
}

export interface MemoryStoreCopy {
  readonly incarnation: string;
  readonly contents: Contents;
}

/** The store of simulations: same rules, in memory. Transactions run one after the other. */
export class MemoryStore implements SchedulerStore {
  #contents = new Contents();
  #incarnation: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(incarnation: string) {
    this.#incarnation = incarnation;
  }

  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const mine = this.#last.then(() => this.#run(work));
    // The next one waits for the end of this one, whichever it is; this one's failure is its own caller's.
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  read<T>(work: (reader: StoreReader) => Promise<T>): Promise<T> {
    return work(new MemoryReader(this.#contents));
  }

  async incarnation(): Promise<string> {
    return this.#incarnation;
  }

  async renewIncarnation(): Promise<string> {
    this.#incarnation = randomUUID();
    return this.#incarnation;
  }

  /** Everything that it holds now, to be put back later. */
  copy(): MemoryStoreCopy {
    return { incarnation: this.#incarnation, contents: structuredClone(this.#contents) };
  }

  /** Puts a copy back as another life; replies that were given, and events that wait, stay. */
  putBack({ incarnation, contents }: MemoryStoreCopy): void {
    const { outbox, replies, agents: present } = this.#contents;
    const copied = Object.assign(new Contents(), structuredClone(contents));
    const agents = restoredAgents([...copied.agents.values()], [...present.values()], incarnation);
    this.#contents = Object.assign(copied, {
      outbox,
      replies,
      agents: new Map(agents.map((agent) => [agentKey(agent.role, agent.agentId), agent])),
    });
    this.#incarnation = randomUUID();
  }

  /** Hands the committed events out, once. */
  takeEvents(): BsoEvent[] {
    const events = this.#contents.outbox.map(({ event }) => event);
    this.#contents.outbox = [];
    return events;
  }

  async #run<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const log = new UndoLog();
    const tx = new MemoryTransaction(this.#contents, log);
    try {
      const result = await work(tx);
      this.#contents.outbox.push(...tx.events);
      return result;
    } catch (error) {
      log.rollBack();
      throw error;
    }
  }
}

function copyOf<Value>(value: Value | undefined): Value | null {
  return value === undefined ? null : structuredClone(value);
}

function cursorOf(record: { createdAtMs: number }, id: string): Cursor {
  return { createdAtMs: record.createdAtMs, id };
}

function byAge(left: Cursor, right: Cursor): number {
  return left.createdAtMs - right.createdAtMs || byText(left.id, right.id);
}
