import type { BsoEvent } from '@flexbso/contracts';
import { type MemoryConnection, type MemoryContents, MemoryTable } from '@flexbso/persistence/memory';
import { keyOf } from './agent-record.js';
import { type AgentStore, AnotherWriterError, type KeptAgent } from './agent-store.js';
import { type AgentEvent, eventOf } from './decisions.js';

/** All that inventory's database would hold. */
export class InventoryContents implements MemoryContents<InventoryContents> {
  agents = MemoryTable.empty<KeptAgent>();
  /** Events of this transaction, which leave with its commit. */
  events: BsoEvent[] = [];
  /** What was committed to be published. One for all copies: what has been said is not unsaid by a restore. */
  #outbox: BsoEvent[] = [];

  copy(): InventoryContents {
    const copy = new InventoryContents();
    copy.agents = this.agents.copy();
    copy.#outbox = this.#outbox;
    return copy;
  }

  committed(): void {
    this.#outbox.push(...this.events.splice(0));
  }

  /** Hands the committed events out, once. */
  takeEvents(): BsoEvent[] {
    return this.#outbox.splice(0);
  }
}

export type InventoryConnection = MemoryConnection<InventoryContents>;

export interface MemoryAgentStoreOptions {
  /** Run first in every transaction: refuses that of an inventory which no longer is the active one. */
  readonly fence: (draft: InventoryContents) => Promise<void>;
  readonly newEventId: () => string;
}

/** Agents in a database in memory, for simulations; same rules. */
export class MemoryAgentStore implements AgentStore {
  readonly #connection: InventoryConnection;
  readonly #options: MemoryAgentStoreOptions;

  constructor(connection: InventoryConnection, options: MemoryAgentStoreOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  load(): Promise<KeptAgent[]> {
    const agents = this.#connection.contents.agents.all();
    return this.#connection.answer(agents.toSorted((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1)));
  }

  save(kept: KeptAgent, events: readonly AgentEvent[], atMs: number): Promise<void> {
    const { fence, newEventId } = this.#options;
    return this.#connection.transaction(async (draft) => {
      await fence(draft);
      write(draft, kept);
      for (const event of events)
        draft.events.push(eventOf(kept.record, event, { eventId: newEventId(), atMs, traceId: null }));
    });
  }
}

function write(draft: InventoryContents, kept: KeptAgent): void {
  const { record } = kept;
  const before = draft.agents.get(keyOf(record));
  if ((before?.record.revision ?? 0) !== record.revision - 1) throw new AnotherWriterError(record);
  const { serial } = record.registration;
  const isTaken = ({ record: other }: KeptAgent) =>
    other.role === record.role && other.id !== record.id && other.registration.serial === serial;
  if (draft.agents.where(isTaken).length > 0) throw new Error(`another ${record.role} has the serial ${serial}`);
  draft.agents.put(keyOf(record), kept);
}

const sortKey = ({ record }: KeptAgent) => keyOf(record);
