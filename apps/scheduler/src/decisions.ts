import type { AgentRole, Problem } from '@flexbso/contracts';
import { ProblemError } from '@flexbso/contracts';
import type { Fleet } from '@flexbso/placement';
import { type Aggregate, aggregateOf, type Deciding, type Draft } from './changes/draft.js';
import { isFinal } from './changes/transitions.js';
import type { Speaker } from './desired/answer.js';
import { randomId, randomUuid } from './ids.js';
import type { Vault } from './keys/vault.js';
import { Lane } from './lane.js';
import { BookEntries, loadBooks } from './placement/books.js';
import type { AgentRecord } from './agents/agent-record.js';
import { revisionsOf } from './incarnation/life.js';
import { PauseBook } from './pauses/pause-book.js';
import type {
  Alarms,
  Backups,
  Clock,
  EventRelay,
  Inspections,
  Nudges,
  Randomness,
  RevisionCount,
  Tracing,
} from './ports.js';
import { AggregateCache, CachedReads } from './store/aggregate-cache.js';
import { type Nudge, readAggregate, writeDraft } from './store/commit.js';
import type { SchedulerStore, StoreTransaction } from './store/store.js';

/** Everything that deciding needs from outside; a simulation brings its own of each. */
export interface SchedulerPorts {
  readonly store: SchedulerStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly nudges: Nudges;
  readonly inspections: Inspections;
  readonly tracing: Tracing;
  readonly relay: EventRelay;
  readonly alarms: Alarms;
  readonly revisions: RevisionCount;
  readonly backups: Backups;
  readonly vault: Vault;
  readonly fleet: Fleet;
}

export interface SchedulerSettings {
  /** At which rate a swap copies, in bytes a second. */
  readonly copyBytesPerSecond: number;
  /** How long a leg is bad before a new one takes its place. */
  readonly replaceLegAfterMs: number;
  /** The fencing token of the lease under which this scheduler decides. */
  readonly term: number;
}

/** Inside a decision: the transaction, and how to put a draft into it. */
export interface Decision {
  readonly tx: StoreTransaction;
  readonly books: BookEntries;
  readonly deciding: Deciding;
  readonly pauses: PauseBook;
  /** From the commit on; no volume is decided about in the same decision. */
  setPauses(pauses: PauseBook): void;
  /** A volume with all that belongs to it, as this transaction sees it; null: there is none. */
  readonly read: (volumeId: string) => Promise<Aggregate | null>;
  /** Writes the draft; room on cards and pools is `judged` when something new is asked for. */
  write(before: Aggregate | null, draft: Draft, how: { by: string; judged: boolean }): Promise<void>;
}

/** What a decision leaves in memory, once it is committed. */
interface Keeping {
  readonly books: BookEntries;
  readonly reads: CachedReads;
  readonly nudges: Nudge[];
  /** Volumes whose change is over and followed by another. */
  readonly freed: Set<string>;
  readonly setPauses: (pauses: PauseBook) => void;
}

/**
 * Runs decisions: one at a time, each in one transaction, the fleet's books in step with it, nudges and events only
 * after the commit. Whatever fails leaves no trace.
 */
export class Decisions {
  readonly ports: SchedulerPorts;
  readonly #settings: SchedulerSettings;
  readonly #lane = new Lane();
  readonly #cache = new AggregateCache();
  /** Which life of the database each agent has said that it follows, by `role id`. */
  readonly #following = new Map<string, string>();
  #incarnation = '';
  #pauses = new PauseBook([]);
  /** What is in memory may not be of this database: a commit was asked for and not answered, or it was replaced. */
  #isInDoubt = false;
  #onFreed: (volumeId: string) => void = () => undefined;

  constructor(ports: SchedulerPorts, settings: SchedulerSettings) {
    this.ports = ports;
    this.#settings = settings;
  }

  /** Loads what is held. To be awaited before anything is decided. */
  async load(): Promise<void> {
    const { store, fleet } = this.ports;
    this.#incarnation = await store.incarnation();
    this.#following.clear();
    for (const { snapshot } of fleet.cards()) this.noteKnown('card', snapshot.cardId);
    for (const { snapshot } of fleet.pools()) this.noteKnown('pool', snapshot.poolId);
    for (const agent of await store.read((reader) => reader.agents())) this.noteFollowing(agent);
    loadBooks(fleet, await store.read((reader) => reader.reservations()));
    this.#pauses = new PauseBook(await store.read((reader) => reader.pauses()));
  }

  /**
   * Replaces the database by an older one while nothing is decided, and loads it anew, whatever came of it: a commit that
   * failed may have been made. Should the loading fail, it comes first in the next decision; nothing is decided before.
   */
  replace<T>(work: () => Promise<T>): Promise<T> {
    return this.#lane.run(async () => {
      this.#isInDoubt = true;
      try {
        return await work();
      } finally {
        await this.#reload();
      }
    });
  }

  async #reload(): Promise<void> {
    const { store, revisions } = this.ports;
    this.#cache.clear();
    await this.load();
    const agents = await store.read((reader) => reader.agents());
    await revisions.began({ incarnation: this.#incarnation, revisions: revisionsOf(agents) });
    this.#isInDoubt = false;
  }

  /**
   * Nothing new is placed on an agent that has not said that it follows this life of the database: a copy that was put
   * back does not know what runs on those that were first heard after it was taken.
   */
  noteFollowing({ role, agentId, follows }: AgentRecord): void {
    if (follows === null) this.#following.delete(keyOf(role, agentId));
    else this.#following.set(keyOf(role, agentId), follows);
    this.noteKnown(role, agentId);
  }

  /** There is such an agent; whether it was ever heard here is another matter. */
  noteKnown(role: AgentRole, agentId: string): void {
    const follows = this.#following.get(keyOf(role, agentId));
    const isThis = follows === this.#incarnation;
    this.ports.fleet.setFollows(role, agentId, follows === undefined ? 'unheard' : isThis ? 'this' : 'another');
  }

  /** To be called with each volume whose change is over and followed by another, once that is committed. */
  whenFreed(listener: (volumeId: string) => void): void {
    this.#onFreed = listener;
  }

  /** Something that is no decision, while none is made. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#lane.run(work);
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  get pauses(): PauseBook {
    return this.#pauses;
  }

  get speaker(): Speaker {
    return { incarnation: this.#incarnation, term: this.#settings.term };
  }

  deciding(): Deciding {
    const { clock, randomness } = this.ports;
    return {
      nowMs: clock.nowMs(),
      newId: (prefix) => randomId(prefix, randomness),
      copyBytesPerSecond: this.#settings.copyBytesPerSecond,
      pauseOf: (cardId) => this.#pauses.of(cardId),
    };
  }

  /**
   * @throws what `work` throws, with nothing changed; what the store throws when it does not say whether it has
   *   committed. The next decision finds that out.
   */
  run<T>(work: (decision: Decision) => Promise<T>): Promise<T> {
    return this.#lane.run(async () => {
      if (this.#isInDoubt) await this.#reload();
      const { store, fleet, relay } = this.ports;
      const books = new BookEntries(fleet);
      const reads = new CachedReads(this.#cache);
      const nudges: Nudge[] = [];
      const freed = new Set<string>();
      let pauses: PauseBook | null = null;
      let result: T;
      let isDecided = false;
      try {
        result = await store.transaction(async (tx) => {
          // A transaction that met a conflict is run again: what its first run left in memory goes first.
          books.rollBack();
          reads.failed();
          nudges.length = 0;
          freed.clear();
          pauses = null;
          isDecided = false;
          const setPauses = (next: PauseBook) => void (pauses = next);
          const decided = await work(this.#decision(tx, { books, reads, nudges, freed, setPauses }));
          isDecided = true;
          return decided;
        });
      } catch (error) {
        books.rollBack();
        reads.failed();
        this.#isInDoubt = isDecided;
        throw error;
      }
      reads.committed();
      this.#pauses = pauses ?? this.#pauses;
      // Each nudge is one revision more of one agent.
      if (nudges.length > 0) this.ports.revisions.given(nudges.length);
      for (const { role, agentId, message } of nudges) this.ports.nudges.send(role, agentId, message);
      relay.wake();
      for (const volumeId of freed) this.#onFreed(volumeId);
      return result;
    });
  }

  get waiting(): number {
    return this.#lane.waiting;
  }

  /** Resolves when every decision asked for until now is over. */
  idle(): Promise<void> {
    return this.#lane.idle();
  }

  #decision(tx: StoreTransaction, { books, reads, nudges, freed, setPauses }: Keeping): Decision {
    const deciding = this.deciding();
    return {
      tx,
      books,
      deciding,
      pauses: this.#pauses,
      setPauses,
      read: (volumeId) => reads.read(volumeId, () => readAggregate(tx, volumeId)),
      write: async (before, draft, { by, judged }) => {
        refuse(books.replace(before?.reservations ?? [], draft.reservations, judged));
        const facts = {
          nowMs: deciding.nowMs,
          speaker: this.speaker,
          by,
          newEventId: () => randomUuid(this.ports.randomness),
        };
        nudges.push(...(await writeDraft(tx, before, draft, facts)));
        if (draft.volume.followUp !== null && isFinal(draft.change.state)) freed.add(draft.volume.volumeId);
        reads.wrote(draft.volume.volumeId, draft.volumeGone ? null : aggregateOf(draft));
      },
    };
  }
}

const keyOf = (role: AgentRole, agentId: string): string => `${role} ${agentId}`;

function refuse(problem: Problem | null): void {
  if (problem) throw new ProblemError(problem);
}
