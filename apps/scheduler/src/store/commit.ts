import type { AgentRole, CardDesired, PoolDesired } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import type { AgentRecord } from '../agents/agent-record.js';
import type { Aggregate, Draft } from '../changes/draft.js';
import { desiredMessage, type Speaker } from '../desired/answer.js';
import type { DesiredEntry, DesiredWrite } from '../desired/desired-entry.js';
import type { StoreTransaction } from './store.js';

/** What is to be said once the transaction has committed. */
export interface Nudge {
  readonly role: AgentRole;
  readonly agentId: string;
  readonly message: CardDesired | PoolDesired;
}

export interface CommitFacts {
  readonly nowMs: number;
  readonly speaker: Speaker;
  /** Who caused it: a token's name, or the agent that reported. */
  readonly by: string;
  readonly newEventId: () => string;
}

/** Writes a decision: what differs from `before`, the agents' desired state under new revisions, and the events. */
export async function writeDraft(
  tx: StoreTransaction,
  before: Aggregate | null,
  draft: Draft,
  facts: CommitFacts,
): Promise<Nudge[]> {
  await writeRecords(tx, before, draft);
  await writeEvents(tx, draft, facts);
  return writeDesired(tx, draft.desired, facts.speaker);
}

async function writeRecords(tx: StoreTransaction, before: Aggregate | null, draft: Draft): Promise<void> {
  const { volume, change } = draft;
  if (draft.volumeGone) await tx.deleteVolume(volume.volumeId);
  else if (!isSame(before?.volume, volume)) await tx.putVolume(volume);
  for (const one of draft.superseded) await tx.putChange(one);
  if (draft.queued) await tx.putChange(draft.queued);
  if (!isSame(before?.change, change)) await tx.putChange(change);
  for (const one of draft.healed) await tx.putChange(one);
  await writeList(before?.legs ?? [], draft.legs, (leg) => leg.legId, {
    put: (leg) => tx.putLeg(leg),
    remove: (id) => tx.deleteLeg(id),
  });
  await writeList(before?.keys ?? [], draft.keys, (key) => key.keyRef, {
    put: (key) => tx.putKey(key),
    remove: (id) => tx.deleteKey(id),
  });
  await writeList(before?.reservations ?? [], draft.reservations, (one) => one.reservationId, {
    put: (one) => tx.putReservation(one),
    remove: (id) => tx.deleteReservation(id),
  });
}

async function writeList<T>(
  before: readonly T[],
  after: readonly T[],
  idOf: (item: T) => string,
  write: { put: (item: T) => Promise<void>; remove: (id: string) => Promise<void> },
): Promise<void> {
  const known = new Map(before.map((item) => [idOf(item), item]));
  const kept = new Set(after.map(idOf));
  for (const item of after) if (!isSame(known.get(idOf(item)), item)) await write.put(item);
  for (const id of known.keys()) if (!kept.has(id)) await write.remove(id);
}

async function writeEvents(
  tx: StoreTransaction,
  { events, change }: Draft,
  { nowMs, by, newEventId }: CommitFacts,
): Promise<void> {
  if (events.length === 0) return;
  const { tenantId, traceId, trace } = change;
  await tx.enqueueEvents(
    events.map((event) => ({ v: 1, eventId: newEventId(), ...event, atMs: nowMs, by, tenantId, traceId })),
    trace,
  );
}

/** Each agent that is to do something else gets one new revision for all of it. */
async function writeDesired(tx: StoreTransaction, writes: readonly DesiredWrite[], speaker: Speaker): Promise<Nudge[]> {
  const nudges: Nudge[] = [];
  const byAgent = Map.groupBy(writes, ({ role, agentId }) => `${role} ${agentId}`);
  // In one order, so that two transactions on PostgreSQL never wait for each other.
  for (const [, ofAgent] of [...byAgent].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    const nudge = await writeAgent(tx, ofAgent, speaker);
    if (nudge) nudges.push(nudge);
  }
  return nudges;
}

async function writeAgent(
  tx: StoreTransaction,
  writes: readonly DesiredWrite[],
  speaker: Speaker,
): Promise<Nudge | null> {
  const [first] = writes;
  if (!first) return null;
  const { role, agentId } = first;
  const agent = (await tx.agent(role, agentId)) ?? newAgent(role, agentId);
  const revision = agent.revision + 1;
  // The last write of an item in a decision is the one that counts.
  const entries = new Map<string, DesiredEntry>();
  for (const write of writes) {
    if (write.kind === 'forget') {
      entries.delete(write.itemId);
      await tx.deleteDesired(role, agentId, write.itemId);
    } else {
      const entry = entryOf(write, revision);
      entries.set(entry.itemId, entry);
    }
  }
  if (entries.size === 0) return null;
  for (const entry of entries.values()) await tx.putDesired(entry);
  await tx.putAgent({ ...agent, revision });
  const head = { role, agentId, ...speaker, sinceRevision: agent.revision, revision };
  return { role, agentId, message: desiredMessage(head, [...entries.values()]) };
}

function entryOf(write: Extract<DesiredWrite, { kind: 'put' }>, revision: number): DesiredEntry {
  return write.role === 'card'
    ? { role: 'card', agentId: write.agentId, itemId: write.item.volumeId, revision, item: { ...write.item, revision } }
    : { role: 'pool', agentId: write.agentId, itemId: write.item.legId, revision, item: { ...write.item, revision } };
}

export function newAgent(role: AgentRole, agentId: string): AgentRecord {
  return {
    role,
    agentId,
    revision: 0,
    seenRevision: 0,
    sessionId: null,
    sessionNumber: 0,
    diverged: null,
    follows: null,
    takesOver: null,
  };
}

/** A volume with all that belongs to it, or null. */
export async function readAggregate(
  tx: Pick<StoreTransaction, 'volume' | 'change' | 'legsOf' | 'keysOf' | 'reservationsOf' | 'desiredItem'>,
  volumeId: string,
): Promise<Aggregate | null> {
  const volume = await tx.volume(volumeId);
  if (!volume) return null;
  const change = volume.changeId === null ? null : await tx.change(volume.changeId);
  if (!change) throw new Error(`volume ${volumeId} has no change: the database was edited by hand`);
  const given = await tx.desiredItem('card', volume.cardId, volumeId);
  return {
    volume,
    change,
    legs: await tx.legsOf(volumeId),
    keys: await tx.keysOf(volumeId),
    reservations: await tx.reservationsOf(volumeId),
    given: given?.role === 'card' ? given.item : null,
  };
}
