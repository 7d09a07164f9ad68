import { newAgent } from '../store/commit.js';
import type { AgentRecord } from './agent-record.js';

/**
 * What is known of agents after a restore: how far they were brought, as the copy says; which life they follow and in
 * which session, as they last said themselves, also of those that the copy does not know. None of them follows the new
 * life before it is settled.
 * @param copiedIncarnation of the copy: whoever was never heard since follows it at best
 */
export function restoredAgents(
  copied: readonly AgentRecord[],
  present: readonly AgentRecord[],
  copiedIncarnation: string,
): AgentRecord[] {
  const heard = new Map(present.filter(({ sessionId }) => sessionId !== null).map((one) => [keyOf(one), one]));
  const known = new Set(copied.map(keyOf));
  const unknown = [...heard.values()].filter((one) => !known.has(keyOf(one)));
  return [...copied, ...unknown.map(({ role, agentId }) => newAgent(role, agentId))].map((agent) => {
    const said = heard.get(keyOf(agent));
    const { sessionId, sessionNumber, seenRevision } = said ?? agent;
    const follows = said?.follows ?? agent.follows ?? copiedIncarnation;
    return { ...agent, sessionId, sessionNumber, seenRevision, follows, diverged: null, takesOver: null };
  });
}

const keyOf = ({ role, agentId }: AgentRecord) => `${role} ${agentId}`;
