import { type AgentRole, ProblemError } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import { newAgent } from '../store/commit.js';
import type { StoreTransaction } from '../store/store.js';
import type { AgentRecord } from './agent-record.js';

export interface Heard {
  readonly sessionId: string;
  readonly sessionNumber: number;
  /** The revision that the agent says it has. */
  readonly revision: number;
  readonly diverged?: string | null;
  /** The life of the database that it follows. */
  readonly incarnation: string | null;
}

/**
 * Notes that an agent was heard, and refuses one that a newer start of the same agent has replaced: two processes with
 * one identity must not both be believed.
 *
 * @returns with `newlyDiverged`: why it acts on nothing new, when it said so for the first time in these words
 * @throws ProblemError `fenced`
 */
export async function hearSession(
  tx: StoreTransaction,
  role: AgentRole,
  agentId: string,
  heard: Heard,
): Promise<{ agent: AgentRecord; newlyDiverged: string | null }> {
  const known = await tx.agent(role, agentId);
  const agent = known ?? newAgent(role, agentId);
  const isOther = agent.sessionId !== null && heard.sessionId !== agent.sessionId;
  if (isOther && heard.sessionNumber <= agent.sessionNumber) {
    throw new ProblemError({
      code: 'fenced',
      detail: `session ${heard.sessionNumber} of ${role} ${agentId} was replaced by session ${agent.sessionNumber}; the older process must stop`,
      facts: { sessionNumber: heard.sessionNumber, currentSessionNumber: agent.sessionNumber },
    });
  }
  const { sessionId, sessionNumber, revision: seenRevision } = heard;
  const diverged = heard.diverged === undefined ? agent.diverged : heard.diverged;
  const next = { ...agent, sessionId, sessionNumber, seenRevision, diverged, follows: heard.incarnation };
  if (!known || !isSame(known, next)) await tx.putAgent(next);
  const isNews = next.diverged !== null && next.diverged !== agent.diverged;
  return { agent: next, newlyDiverged: isNews ? next.diverged : null };
}
