import { isDeepStrictEqual } from 'node:util';
import { ProblemError } from '@flexbso/contracts';
import type { AgentRecord, Registrant } from './agent-record.js';

/** What became of an agent, as the end of its event's subject. */
export type AgentEventName =
  | 'registered'
  | 'updated'
  | 'unreachable'
  | 'reachable'
  | 'cordoned'
  | 'uncordoned'
  | 'quarantined';

export interface AgentEvent {
  readonly what: AgentEventName;
  /** Who brought it about: an agent's id, a token's name, or `inventory`. */
  readonly by: string;
  readonly data: Record<string, string | number | boolean>;
}

/** The record as it is to be, and what to tell. No events: nothing changed, and nothing is written. */
export interface Decision {
  readonly next: AgentRecord;
  readonly events: readonly AgentEvent[];
}

const self = 'inventory';

/**
 * A registration. The same again changes nothing; another session, or other content, is a new revision.
 * @throws ProblemError `fenced` for a session that a newer one has replaced.
 */
export function decideRegister(current: AgentRecord | undefined, registrant: Registrant, nowMs: number): Decision {
  if (current === undefined) {
    const standing = {
      revision: 1,
      unreachableSinceMs: null,
      quarantined: false,
      cordoned: false,
      registeredAtMs: nowMs,
    };
    return { next: { ...registrant, ...standing }, events: [registered(registrant, true)] };
  }
  refuseOlderSession(current, registrant.registration);
  const changed = changedFields(current, registrant);
  const events: AgentEvent[] = [];
  if (registrant.registration.sessionId !== current.registration.sessionId) events.push(registered(registrant, false));
  const content = changed.filter((field) => field !== 'sessionId' && field !== 'sessionNumber');
  if (content.length > 0) events.push({ what: 'updated', by: registrant.id, data: { fields: content.join(' ') } });
  if (current.unreachableSinceMs !== null) events.push(reachable(current, current.unreachableSinceMs, nowMs));
  if (events.length === 0) return { next: current, events };
  return { next: { ...standingOf(current), ...registrant, unreachableSinceMs: null }, events };
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

/** An agent did what no honest agent does; `reason` is for an operator. */
export function decideQuarantine(current: AgentRecord, reason: string): Decision {
  if (current.quarantined) return { next: current, events: [] };
  const next = { ...standingOf(current), ...registrantOf(current), quarantined: true };
  return { next, events: [{ what: 'quarantined', by: self, data: { reason: reason.slice(0, 300) } }] };
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

function standingOf({ revision, unreachableSinceMs, quarantined, cordoned, registeredAtMs }: AgentRecord) {
  return { revision: revision + 1, unreachableSinceMs, quarantined, cordoned, registeredAtMs };
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
