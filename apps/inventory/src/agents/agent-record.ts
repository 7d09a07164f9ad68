import type { AgentRole, CardSnapshot, PoolSnapshot, RegisterCard, RegisterPool } from '@flexbso/contracts';

/** What inventory knows of an agent beyond what the agent says itself. */
interface Standing {
  readonly id: string;
  /** Grows with every change but that of the time last heard. */
  readonly revision: number;
  readonly unreachableSinceMs: number | null;
  /** What the agent did that no honest agent does; null: nothing, or an operator has released it. */
  readonly quarantineReason: string | null;
  /** Another sealing key than the registration's, which the agent last came with; taken over when it is released. */
  readonly offeredSealingKey: string | null;
  readonly cordoned: boolean;
  readonly registeredAtMs: number;
}
export interface CardRecord extends Standing {
  readonly role: 'card';
  /** As the agent last sent it, with the sealing key that is believed. */
  readonly registration: RegisterCard;
}
export interface PoolRecord extends Standing {
  readonly role: 'pool';
  readonly registration: RegisterPool;
}
/** A card's or pool's agent, as the database keeps it. Hosts are not kept: what is known of one is what its agents say. */
export type AgentRecord = CardRecord | PoolRecord;

/** Who registers, and with what; the role and id are those of the subject. */
export type Registrant =
  | { readonly role: 'card'; readonly id: string; readonly registration: RegisterCard }
  | { readonly role: 'pool'; readonly id: string; readonly registration: RegisterPool };

/** Names an agent in maps: a card and a pool may have the same id. */
export interface AgentName {
  readonly role: AgentRole;
  readonly id: string;
}
export const keyOf = ({ role, id }: AgentName): string => `${role}/${id}`;

/** The state shown. Quarantine outlasts silence: an agent that lied and then fell silent is still one that lied. */
export function stateOf(record: AgentRecord): CardSnapshot['state'] {
  if (record.quarantineReason !== null) return 'quarantined';
  return record.unreachableSinceMs === null ? 'ready' : 'unreachable';
}

function standingOf(record: AgentRecord, lastHeardAtMs: number) {
  const { revision, quarantineReason, unreachableSinceMs, cordoned, registeredAtMs } = record;
  const state = stateOf(record);
  return { revision, state, quarantineReason, unreachableSinceMs, cordoned, registeredAtMs, lastHeardAtMs };
}

export function cardSnapshotOf(record: CardRecord, lastHeardAtMs: number): CardSnapshot {
  return { ...record.registration, cardId: record.id, ...standingOf(record, lastHeardAtMs) };
}

export function poolSnapshotOf(record: PoolRecord, lastHeardAtMs: number): PoolSnapshot {
  return { ...record.registration, poolId: record.id, ...standingOf(record, lastHeardAtMs) };
}
