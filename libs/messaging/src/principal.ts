import { subjects, type AgentRole, type ServiceName } from '@flexbso/contracts';

/** Which agent: the two tokens of a subject that say whose it is. */
export interface AgentAddress {
  readonly role: AgentRole;
  readonly id: string;
}

/** Who connects to the bus: a service by its name, or an agent by its role and id. */
export type Principal =
  | { readonly kind: 'service'; readonly name: ServiceName }
  | { readonly kind: AgentRole; readonly id: string };

/** The prefix under which this principal, and nobody else, hears replies. */
export function inboxPrefixOf(principal: Principal): string {
  return principal.kind === 'service'
    ? subjects.serviceInbox(principal.name)
    : subjects.agentInbox(principal.kind, principal.id);
}

/** `service-scheduler`, `card-rack1-a`: a name for files, configurations and people. */
export function principalName(principal: Principal): string {
  return `${principal.kind}-${principal.kind === 'service' ? principal.name : principal.id}`;
}

/** The agent that a principal is, or null for a service. */
export function agentOf(principal: Principal): AgentAddress | null {
  return principal.kind === 'service' ? null : { role: principal.kind, id: principal.id };
}
