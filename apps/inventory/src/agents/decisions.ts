import { isDeepStrictEqual } from 'node:util';
import { type BsoEvent, MAX_QUARANTINE_REASON, ProblemError } from '@flexbso/contracts';
import type { AgentRecord, Registrant } from './agent-record.js';

/** What became of an agent, as the end of its event's subject. */
export type AgentEventName =
  | 'registered'
  | 'updated'
  | 'unreachable'
  | 'reachable'
  | 'cordoned'
  | 'uncordoned'
  | 'quarantined'
  | 'released';

export interface AgentEvent {
  readonly what: AgentEventName;
  /** Who brought it about: an agent's id, a token's name, or `inventory`. */
  readonly by: string;
  readonly data: Record<string, string | number | boolean>;
}

/** The event as it is published. */
export function eventOf(
  { role, id, revision }: AgentRecord,
  { what, by, data }: AgentEvent,
  facts: Pick<BsoEvent, 'eventId' | 'atMs' | 'traceId'>,
): BsoEvent {
  return { v: 1, ...facts, kind: role, id, what, by, tenantId: null, data: { revision, ...data } };
}

/** The record as it is to be, and what to tell. No events: nothing changed, and nothing is written. */
export interface Decision {
  readonly next: AgentRecord;
  readonly events: readonly AgentEvent[];
}

const self = 'inventory';

export const sealingKeyChanged = 'its sealing key changed: release it if that was you';

/**
 * A registration. The same again changes nothing; another session, or other content, is a new revision. Another sealing
 * key is taken as a sign of life and not believed: whoever took an identity over would be sent every key sealed to it.
 * @throws ProblemError `fenced` for a session that a newer one has replaced.
 */
export function decideRegister(current: AgentRecord | undefined, registrant: Registrant, nowMs: number): Decision {
  if (current === undefined) {
    const standing = {
      revision: 1,
      unreachableSinceMs: null,
      quarantineReason: null,
      offeredSealingKey: null,
      cordoned: false,
      registeredAtMs: nowMs,
    };
    return { next: { ...registrant, ...standing }, events: [registered(registrant, true)] };
  }
  refuseOlderSession(current, registrant.registration);
  const { sealingKey } = current.registration;
  const offered = registrant.registration.sealingKey === sealingKey ? null : registrant.registration.sealingKey;
  const believed = withSealingKey(registrant, sealingKey);
  const changed = changedFields(current, believed);
  const events: AgentEvent[] = [];
  if (registrant.registration.sessionId !== current.registration.sessionId) events.push(registered(registrant, false));
  const content = changed.filter((field) => field !== 'sessionId' && field !== 'sessionNumber');
  if (content.length > 0) events.push({ what: 'updated', by: registrant.id, data: { fields: content.join(' ') } });
  if (current.unreachableSinceMs !== null) events.push(reachable(current, current.unreachableSinceMs, nowMs));
  const isNewOffer = offered !== null && offered !== current.offeredSealingKey;
  const quarantineReason = isNewOffer
    ? reasonsOf(current.quarantineReason, sealingKeyChanged)
    : current.quarantineReason;
  if (isNewOffer) events.push(quarantined(self, sealingKeyChanged, { sealingKey: offered }));
  // Back with the key that is believed: a release then has nothing to take over.
  if (events.length === 0 && offered === current.offeredSealingKey) return { next: current, events };
  if (events.length === 0) events.push({ what: 'updated', by: registrant.id, data: { fields: 'sealingKey' } });
  const standing = { ...standingOf(current), quarantineReason, offeredSealingKey: offered, unreachableSinceMs: null };
  return { next: { ...standing, ...believed }, events };
}

/** A heartbeat of the registered session: an agent that was unreachable is back. */
export function decideHeard(current: AgentRecord, nowMs: number): Decision {
  if (current.unreachableSinceMs === null) return { next: current, events: [] };
  const event = reachable(current, current.unreachableSinceMs, nowMs);
  return { next: { ...standingOf(current), ...registrantOf(current), unreachableSinceMs: null }, events: [event] };
}

/** A lease that ran out. @param lastHeardAtMs when the agent was last heard: since then it is unreachable. */
export function decideSilent(current: AgentRecord, lastHeardAtMs: number): Decision {
  if (current.unreachableSinceMs !== null) return { next: current, events: [] };
  const next = { ...standingOf(current), ...registrantOf(current), unreachableSinceMs: lastHeardAtMs };
  return { next, events: [{ what: 'unreachable', by: self, data: { lastHeardAtMs } }] };
}

export function decideCordon(current: AgentRecord, cordoned: boolean, by: string): Decision {
  if (current.cordoned === cordoned) return { next: current, events: [] };
  const next = { ...standingOf(current), ...registrantOf(current), cordoned };
  return { next, events: [{ what: cordoned ? 'cordoned' : 'uncordoned', by, data: {} }] };
}

/** An agent did what no honest agent does; `reason` is for an operator. @param by the service that saw it */
export function decideQuarantine(current: AgentRecord, reason: string, by: string): Decision {
  if (current.quarantineReason !== null) return { next: current, events: [] };
  const quarantineReason = reason.slice(0, MAX_QUARANTINE_REASON);
  const next = { ...standingOf(current), ...registrantOf(current), quarantineReason };
  return { next, events: [quarantined(by, quarantineReason)] };
}

/** An operator believes the agent again, and the sealing key that it came with. */
export function decideRelease(current: AgentRecord, by: string): Decision {
  const { quarantineReason: reason, offeredSealingKey } = current;
  if (reason === null) return { next: current, events: [] };
  const released = { ...standingOf(current), quarantineReason: null, offeredSealingKey: null };
  const registrant = withSealingKey(registrantOf(current), offeredSealingKey ?? current.registration.sealingKey);
  const data = { reason, ...(offeredSealingKey === null ? {} : { sealingKey: offeredSealingKey }) };
  return { next: { ...released, ...registrant }, events: [{ what: 'released', by, data }] };
}

/** Whether a heartbeat's session is the registered one. @throws ProblemError `fenced` for an older one. */
export function isCurrentSession(current: AgentRecord, session: { sessionId: string; sessionNumber: number }): boolean {
  if (session.sessionNumber < current.registration.sessionNumber) throw fenced(current, session.sessionNumber);
  return session.sessionId === current.registration.sessionId;
}

/** One number belongs to one session: two agents that both claim it run on copies of one state folder. */
function refuseOlderSession(current: AgentRecord, session: { sessionId: string; sessionNumber: number }): void {
  const { sessionId, sessionNumber } = current.registration;
  if (session.sessionNumber > sessionNumber || session.sessionId === sessionId) return;
  throw fenced(current, session.sessionNumber);
}

function fenced(current: AgentRecord, asked: number): ProblemError {
  const { sessionNumber } = current.registration;
  return new ProblemError({
    code: 'fenced',
    detail: `${current.role} ${current.id}: session ${asked} is replaced by session ${sessionNumber}; an agent starts with a larger session number than any before it.`,
    facts: { sessionNumber },
  });
}

function standingOf(record: AgentRecord) {
  const { revision, unreachableSinceMs, quarantineReason, offeredSealingKey, cordoned, registeredAtMs } = record;
  const standing = { unreachableSinceMs, quarantineReason, offeredSealingKey, cordoned, registeredAtMs };
  return { revision: revision + 1, ...standing };
}

function withSealingKey(registrant: Registrant, sealingKey: string): Registrant {
  return registrant.role === 'card'
    ? { ...registrant, registration: { ...registrant.registration, sealingKey } }
    : { ...registrant, registration: { ...registrant.registration, sealingKey } };
}

function quarantined(by: string, reason: string, more: AgentEvent['data'] = {}): AgentEvent {
  return { what: 'quarantined', by, data: { reason, ...more } };
}

/** Who releases it must see all that he forgives. */
function reasonsOf(before: string | null, reason: string): string {
  if (before === null || before.includes(reason)) return before ?? reason;
  return `${before.slice(0, MAX_QUARANTINE_REASON - reason.length - 2)}; ${reason}`;
}

function registrantOf(record: AgentRecord): Registrant {
  return record.role === 'card'
    ? { role: record.role, id: record.id, registration: record.registration }
    : { role: record.role, id: record.id, registration: record.registration };
}

function registered({ id, registration }: Registrant, first: boolean): AgentEvent {
  const { sessionNumber, serial, hostId, agentVersion } = registration;
  return { what: 'registered', by: id, data: { first, sessionNumber, serial, hostId, agentVersion } };
}

function reachable(current: AgentRecord, sinceMs: number, nowMs: number): AgentEvent {
  return { what: 'reachable', by: current.id, data: { silentMs: Math.max(0, nowMs - sinceMs) } };
}

function changedFields(current: AgentRecord, { registration }: Registrant): string[] {
  const before = new Map<string, unknown>(Object.entries(current.registration));
  const after = new Map<string, unknown>(Object.entries(registration));
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => !isDeepStrictEqual(before.get(name), after.get(name)));
}
