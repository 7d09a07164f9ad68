import { type AgentRole, type BsoEvent, type Pause, ProblemError } from '@flexbso/contracts';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import { randomUuid } from '../ids.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import type { Randomness } from '../ports.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { agentKey, entryKey, type SchedulerContents } from './memory-contents.js';
import { MemoryReader, type SchedulerConnection } from './memory-reader.js';
import type { IdempotentCall, SchedulerStore, StoreReader, StoreTransaction } from './store.js';

/** Refuses a transaction of a scheduler that no longer is the active one. */
export type MemoryFence = (draft: SchedulerContents) => Promise<void>;

export class MemoryTransaction extends MemoryReader implements StoreTransaction {
  putVolume = (volume: VolumeRecord) => this.#done(this.contents.volumes.put(volume.volumeId, volume));
  deleteVolume = (volumeId: string) => this.#done(this.contents.volumes.delete(volumeId));
  putLeg = (leg: LegRecord) => this.#done(this.contents.legs.put(leg.legId, leg));
  deleteLeg = (legId: string) => this.#done(this.contents.legs.delete(legId));
  putKey = (key: KeyRecord) => this.#done(this.contents.keys.put(key.keyRef, key));
  deleteKey = (keyRef: string) => this.#done(this.contents.keys.delete(keyRef));
  putChange = (change: ChangeRecord) => this.#done(this.contents.changes.put(change.changeId, change));
  putReservation = (one: ReservationRecord) => this.#done(this.contents.reservations.put(one.reservationId, one));
  deleteReservation = (reservationId: string) => this.#done(this.contents.reservations.delete(reservationId));
  putAgent = (agent: AgentRecord) => this.#done(this.contents.agents.put(agentKey(agent.role, agent.agentId), agent));
  putDesired = (one: DesiredEntry) =>
    this.#done(this.contents.desired.put(entryKey(one.role, one.agentId, one.itemId), one));
  deleteDesired = (role: AgentRole, agentId: string, itemId: string) =>
    this.#done(this.contents.desired.delete(entryKey(role, agentId, itemId)));

  putPause = (pause: Pause) => this.#done(this.contents.pauses.put(pause.cardId ?? '', pause));
  deletePause = (cardId: string | null) => this.#done(this.contents.pauses.delete(cardId ?? ''));

  enqueueEvents(events: readonly BsoEvent[], _headers: Record<string, string>): Promise<void> {
    return this.#done(void this.contents.events.push(...events));
  }

  async idempotent<Reply>(call: IdempotentCall<Reply>, work: () => Promise<Reply>): Promise<Reply> {
    const key = JSON.stringify([call.scope, call.key]);
    const kept = await this.connection.answer(this.contents.replies.get(key));
    if (kept === null) {
      const reply = await work();
      this.contents.replies.put(key, { requestDigest: call.requestDigest, reply });
      return reply;
    }
    if (kept.requestDigest === call.requestDigest) return call.replySchema.parse(kept.reply);
    throw new ProblemError({
      code: 'idempotency-key-reused',
      detail: 'This Idempotency-Key was used with another request; send a new key with a new request.',
    });
  }

  #done(written: void): Promise<void> {
    return this.connection.answer(written);
  }
}

export interface MemoryStoreOptions {
  readonly randomness: Randomness;
  /** Run first in every transaction. */
  readonly fence: MemoryFence;
}

/** The store of simulations: same rules, in a database in memory that other schedulers may have too. */
export class MemoryStore implements SchedulerStore {
  readonly #connection: SchedulerConnection;
  readonly #options: MemoryStoreOptions;

  constructor(connection: SchedulerConnection, options: MemoryStoreOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#fenced((draft) => work(new MemoryTransaction(this.#connection, draft)));
  }

  read<T>(work: (reader: StoreReader) => Promise<T>): Promise<T> {
    return work(new MemoryReader(this.#connection, null));
  }

  incarnation(): Promise<string> {
    return this.#fenced(async (draft) => (draft.incarnation ??= randomUuid(this.#options.randomness)));
  }

  renewIncarnation(): Promise<string> {
    return this.#fenced(async (draft) => (draft.incarnation = randomUuid(this.#options.randomness)));
  }

  /** Hands the committed events out, once; whichever of the schedulers of this database wrote them. */
  takeEvents(): BsoEvent[] {
    return this.#connection.contents.takeEvents();
  }

  #fenced<T>(work: (draft: SchedulerContents) => Promise<T>): Promise<T> {
    return this.#connection.transaction(async (draft) => {
      await this.#options.fence(draft);
      return work(draft);
    });
  }
}
