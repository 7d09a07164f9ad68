import type {
  AgentRole,
  Backup,
  BsoEvent,
  CardDesired,
  InspectAnswer,
  PoolDesired,
  Restored,
} from '@flexbso/contracts';
import type { Life } from './incarnation/life.js';
import type { IdempotentCall } from './store/store.js';

/** Time as the scheduler sees it; a simulation brings its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

/** Waits as long as the scheduler's time takes. */
export interface Timer {
  /** Resolves after `durationMs`, or as soon as `signal` is aborted. Never rejects: the caller looks at its signal. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Where ids, keys and nonces come from; a simulation seeds it. */
export interface Randomness {
  bytes(length: number): Uint8Array;
}

/** Sends an agent its new desired state. Losing a nudge costs a beat, never a change: a failure is told, not thrown. */
export interface Nudges {
  send(role: AgentRole, agentId: string, message: CardDesired | PoolDesired): void;
}

/** Asks an agent what it observes right now. */
export interface Inspections {
  /** @throws when the agent is not heard from in time, or what it answers is no answer */
  ask(role: AgentRole, agentId: string): Promise<InspectAnswer>;
}

/** The W3C trace headers of the request that is being handled; empty outside any. */
export interface Tracing {
  headers(): Record<string, string>;
}

/** Wakes whoever publishes committed events. */
export interface EventRelay {
  wake(): void;
}

/** What an operator must hear of and no caller waits for. */
export interface Alarms {
  warn(message: string, facts: Record<string, unknown>): void;
}

/** Remembers outside of the database how far agents were brought. */
export interface RevisionCount {
  given(count: number): void;
  /** The database speaks as another life, and has come so far. */
  began(life: Life): Promise<void>;
}

/** Copies of the database. Each of these is one transaction, with its event and its kept reply. */
export interface Backups {
  /** @throws ProblemError `name-taken` */
  create(name: string, nowMs: number, how: { call: IdempotentCall<Backup>; event: BsoEvent }): Promise<Backup>;
  /** Newest first. */
  list(): Promise<Backup[]>;
  /**
   * Puts the copy in the place of what there is, as another life of the database.
   * @returns also whether it was done before, for the same request
   * @throws ProblemError `not-found`, `backup-unusable`; nothing is changed then
   */
  restore(
    name: string,
    nowMs: number,
    how: { call: IdempotentCall<Restored>; event: BsoEvent },
  ): Promise<Restored & { replayed: boolean }>;
}
