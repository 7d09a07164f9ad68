import type { AgentRecord } from './agent-record.js';
import type { AgentEvent } from './decisions.js';

/** A record with the instant at which its agent was last heard, in ms since the epoch. */
export interface KeptAgent {
  readonly record: AgentRecord;
  readonly lastHeardAtMs: number;
}

/**
 * The database holds another revision than the one that was decided on: somebody else writes to it, and what is in
 * memory is no longer true. Not a problem of the agent's, which is told `internal` and asks again.
 */
export class AnotherWriterError extends Error {
  override readonly name = 'AnotherWriterError';
  readonly code = 'another_writer';

  constructor({ role, id, revision }: AgentRecord) {
    super(
      `${role} ${id} is not at revision ${revision - 1} in the database: another inventory writes to it. Stop one of the two, and restart the other.`,
    );
  }
}

/** Where agents are kept; their events leave with the same commit. */
export interface AgentStore {
  load(): Promise<KeptAgent[]>;
  /** @throws AnotherWriterError when the record in the database is not at the revision before this one. */
  save(kept: KeptAgent, events: readonly AgentEvent[], atMs: number): Promise<void>;
}
