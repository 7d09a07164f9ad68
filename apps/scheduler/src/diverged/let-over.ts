import { newAgent } from '../store/commit.js';
import type { StoreTransaction } from '../store/store.js';
import type { Answered } from './reality.js';

/**
 * Lets an agent of another life follow this one: all that it is to do gets a revision above every one that it has, so
 * that it takes all of it as new. It comes over with its next question, if it is as it was when it was compared.
 * @returns how many revisions the agent's books went up
 */
export async function letOver(
  tx: StoreTransaction,
  { role, id, answer }: Answered,
  incarnation: string,
): Promise<number> {
  const { incarnation: from, revision: seenRevision, given } = answer;
  if (from === null) return 0;
  const agent = (await tx.agent(role, id)) ?? newAgent(role, id);
  // What was begun before a crash kept the state from being saved is above the revision that the agent says it has.
  const newest = Math.max(0, ...[...given.volumes, ...given.legs].map((item) => item.revision));
  const revision = Math.max(agent.revision, seenRevision, newest) + 1;
  for (const entry of await tx.desired(role, id, 0)) {
    await tx.putDesired(
      entry.role === 'card'
        ? { ...entry, revision, item: { ...entry.item, revision } }
        : { ...entry, revision, item: { ...entry.item, revision } },
    );
  }
  const takesOver = { from, revision: seenRevision, to: incarnation };
  await tx.putAgent({ ...agent, revision, follows: from, takesOver });
  return revision - agent.revision;
}
