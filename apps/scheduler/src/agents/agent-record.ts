import type { AgentRole } from '@flexbso/contracts';

/** What the scheduler knows of an agent as a reader of desired state. Cards and pools themselves are inventory's. */
export interface AgentRecord {
  role: AgentRole;
  agentId: string;
  /** Grows with every commit that changes what the agent is to do. */
  revision: number;
  /** The revision that the agent last said it has. */
  seenRevision: number;
  /** Null until it is first heard. */
  sessionId: string | null;
  /** Grows with every start of the agent; an older one is fenced off. */
  sessionNumber: number;
  /** Why the agent acts on nothing new, in its own words; null when it agrees. */
  diverged: string | null;
  /**
   * Which life of the database it last said to follow; null: none yet, or it was not heard since this is kept. Nothing
   * new is placed on it before it has said that it follows the present one.
   */
  follows: string | null;
  /** An operator has settled all that differs: who follows `from`, up to `revision`, may follow `to` from now on. */
  takesOver: { from: string; revision: number; to: string } | null;
}
