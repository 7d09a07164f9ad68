import { ProblemError } from '@flexbso/contracts';
import { type AgentName, type AgentRecord, keyOf, type Registrant } from './agent-record.js';
import type { AgentStore, KeptAgent } from './agent-store.js';
import {
  decideCordon,
  decideHeard,
  decideQuarantine,
  decideRegister,
  decideRelease,
  decideSilent,
  type Decision,
  isCurrentSession,
} from './decisions.js';

export interface FleetOptions {
  readonly store: AgentStore;
  /** Milliseconds since the epoch, for what people read. */
  readonly nowMs: () => number;
  /** Called after a change is committed: to publish it. */
  readonly onChanged: (record: AgentRecord) => void;
  /** Called at every sign of life of the registered session. */
  readonly onHeard: (agent: string) => void;
}

/** What a heartbeat is answered with. */
export type Heard = 'heard' | 'register';

/**
 * All cards and pools, in memory as the database has them: loaded at the start, and changed only after the commit. After
 * a write that failed, which may be committed all the same, the next change reads what the database has.
 * This is the only writer; a change waits for those before it, so that each decides on what the last one left.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #records = new Map<string, AgentRecord>();
  /** Apart from the records: a heartbeat must not be undone by a change that was decided before it. */
  readonly #lastHeardAtMs = new Map<string, number>();
  readonly #idBySerial = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();
  /** Whether a write failed, and may have been committed all the same. */
  #isInDoubt = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Reads everything. @returns the keys of the agents that are not yet known to be unreachable: their leases start. */
  async load(): Promise<string[]> {
    for (const { record, lastHeardAtMs } of await this.#options.store.load()) {
      this.#remember(record);
      this.#lastHeardAtMs.set(keyOf(record), lastHeardAtMs);
    }
    return [...this.#records].filter(([, record]) => record.unreachableSinceMs === null).map(([key]) => key);
  }

  /** In the order of their ids. */
  all(): KeptAgent[] {
    const kept = [...this.#records.values()].map((record) => this.#kept(record));
    return kept.toSorted((a, b) => compareText(keyOf(a.record), keyOf(b.record)));
  }

  find(name: AgentName): KeptAgent | undefined {
    const record = this.#records.get(keyOf(name));
    return record && this.#kept(record);
  }

  /** @throws ProblemError `not-found`. */
  get(name: AgentName): KeptAgent {
    const kept = this.find(name);
    if (kept) return kept;
    throw new ProblemError({ code: 'not-found', detail: `There is no ${name.role} ${name.id}.` });
  }

  /** @throws ProblemError `fenced` for an older session, `name-taken` when another identity has the serial. */
  async register(registrant: Registrant): Promise<KeptAgent> {
    return this.#serially(async () => {
      this.#refuseSerialOfAnother(registrant);
      const nowMs = this.#options.nowMs();
      return this.#commit(decideRegister(this.#records.get(keyOf(registrant)), registrant, nowMs), nowMs);
    });
  }

  /** A heartbeat; writes only when the agent was unreachable. @throws ProblemError `fenced` for an older session. */
  async heard(name: AgentName, session: { sessionId: string; sessionNumber: number }): Promise<Heard> {
    const record = this.#records.get(keyOf(name));
    if (!record || !isCurrentSession(record, session)) return 'register';
    const nowMs = this.#options.nowMs();
    this.#touch(record, nowMs);
    if (record.unreachableSinceMs !== null) await this.#change(name, (current) => decideHeard(current, nowMs), nowMs);
    return 'heard';
  }

  /**
   * The agent's lease is over.
   * @param agent its key
   * @param isHeardAgain asked when its turn has come: an agent that was heard since the verdict keeps its state
   * @returns whether it is unreachable now
   */
  async silent(agent: string, isHeardAgain: () => boolean): Promise<boolean> {
    return this.#serially(async () => {
      const record = this.#records.get(agent);
      if (!record || isHeardAgain()) return false;
      const { lastHeardAtMs } = this.#kept(record);
      await this.#commit(decideSilent(record, lastHeardAtMs), null);
      return true;
    });
  }

  /** @throws ProblemError `not-found`. */
  async cordon(name: AgentName, cordoned: boolean, by: string): Promise<KeptAgent> {
    return this.#change(name, (current) => decideCordon(current, cordoned, by));
  }

  /** @throws ProblemError `not-found`. */
  async quarantine(name: AgentName, reason: string, by: string): Promise<KeptAgent> {
    return this.#change(name, (current) => decideQuarantine(current, reason, by));
  }

  /** @throws ProblemError `not-found`. */
  async release(name: AgentName, by: string): Promise<KeptAgent> {
    return this.#change(name, (current) => decideRelease(current, by));
  }

  /** Resolves when the changes so far are done, whatever became of them. */
  async idle(): Promise<void> {
    await this.#last;
  }

  async #change(
    name: AgentName,
    decide: (current: AgentRecord) => Decision,
    heardAtMs: number | null = null,
  ): Promise<KeptAgent> {
    return this.#serially(async () => {
      const { record } = this.get(name);
      return this.#commit(decide(record), heardAtMs);
    });
  }

  /** @param heardAtMs null: what led to this is no sign of life. */
  async #commit({ next, events }: Decision, heardAtMs: number | null): Promise<KeptAgent> {
    if (events.length > 0) {
      const lastHeardAtMs = heardAtMs ?? this.#kept(next).lastHeardAtMs;
      await this.#save({ record: next, lastHeardAtMs }, events);
      this.#remember(next);
    }
    if (heardAtMs !== null) this.#touch(next, heardAtMs);
    if (events.length > 0) this.#options.onChanged(next);
    return this.#kept(next);
  }

  async #save(kept: KeptAgent, events: Decision['events']): Promise<void> {
    try {
      await this.#options.store.save(kept, events, this.#options.nowMs());
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    }
  }

  /** Finds out what became of a write that failed; what was committed is published now. */
  async #leaveDoubt(): Promise<void> {
    for (const { record, lastHeardAtMs } of await this.#options.store.load()) {
      if (!this.#lastHeardAtMs.has(keyOf(record))) this.#touch(record, lastHeardAtMs);
      if (this.#records.get(keyOf(record))?.revision === record.revision) continue;
      this.#remember(record);
      this.#options.onChanged(record);
    }
    this.#isInDoubt = false;
  }

  #remember(record: AgentRecord): void {
    const before = this.#records.get(keyOf(record));
    if (before) this.#idBySerial.delete(serialKeyOf(before));
    this.#records.set(keyOf(record), record);
    this.#idBySerial.set(serialKeyOf(record), record.id);
  }

  #touch(record: AgentRecord, nowMs: number): void {
    this.#lastHeardAtMs.set(keyOf(record), nowMs);
    this.#options.onHeard(keyOf(record));
  }

  #kept(record: AgentRecord): KeptAgent {
    return { record, lastHeardAtMs: this.#lastHeardAtMs.get(keyOf(record)) ?? record.registeredAtMs };
  }

  #refuseSerialOfAnother(registrant: Registrant): void {
    const { role, id } = registrant;
    const { serial } = registrant.registration;
    const heldBy = this.#idBySerial.get(serialKeyOf(registrant));
    if (heldBy === undefined || heldBy === id) return;
    throw new ProblemError({
      code: 'name-taken',
      detail: `The serial ${serial} belongs to ${role} ${heldBy} and cannot be registered as ${role} ${id}: one piece of hardware has one identity.`,
      facts: { constraint: 'serial', serial, heldBy },
    });
  }

  /** One at a time, in order. The bus server bounds how many handlers there are, and so how many wait here. */
  async #serially<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(async () => {
      if (this.#isInDoubt) await this.#leaveDoubt();
      return work();
    });
    // The next one's turn comes whatever became of this one; its own caller is told.
    this.#last = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }
}

/** A card and a pool of one machine may have the same serial. */
const serialKeyOf = ({ role, registration }: Registrant): string => `${role}/${registration.serial}`;

/** By code unit: the same order on every machine. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
