/** Subjects of DESIGN §4, in one place; nobody else spells one. */
export type AgentRole = 'card' | 'pool';
export type ServiceName = 'inventory' | 'scheduler' | 'telemetry' | 'gateway';
export type UpVerb = 'register' | 'desired' | 'report' | 'heartbeat' | 'measure';
export type DownVerb = 'nudge' | 'inspect';
export type EventKind = 'card' | 'pool' | 'volume' | 'change' | 'service';

export const subjects = {
  rpc: (service: ServiceName, verb: string) => `bso.rpc.${service}.${verb}`,
  up: (role: AgentRole, id: string, verb: UpVerb) => `bso.${role}.${id}.up.${verb}`,
  /** What a service subscribes to, to hear one verb of every agent of a role. */
  upOfAll: (role: AgentRole, verb: UpVerb) => `bso.${role}.*.up.${verb}`,
  down: (role: AgentRole, id: string, verb: DownVerb) => `bso.${role}.${id}.down.${verb}`,
  event: (kind: EventKind, id: string, what: string) => `bso.evt.${kind}.${id}.${what}`,
  allEvents: 'bso.evt.>',
  /** Each identity hears replies under a prefix of its own; `_INBOX.card.card-1`. */
  agentInbox: (role: AgentRole, id: string) => `_INBOX.${role}.${id}`,
  serviceInbox: (service: string) => `_INBOX.service.${service}`,
} as const;

/** JetStream stream of facts and KV buckets of snapshots. */
export const EVENT_STREAM = 'BSO_EVENTS';
export const CARD_BUCKET = 'cards';
export const POOL_BUCKET = 'pools';

const upVerbs: readonly UpVerb[] = ['register', 'desired', 'report', 'heartbeat', 'measure'];

/** Who a message is from: the id in its subject, which the server enforces, never a field of its payload. */
export function senderOf(subject: string): { role: AgentRole; id: string; verb: UpVerb } | null {
  const [, role, id, verb] = /^bso\.([a-z]+)\.([a-z0-9-]+)\.up\.([a-z]+)$/.exec(subject) ?? [];
  const known = upVerbs.find((candidate) => candidate === verb);
  if ((role !== 'card' && role !== 'pool') || id === undefined || known === undefined) return null;
  return { role, id, verb: known };
}
