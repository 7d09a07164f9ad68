import { senderOf, subjects } from '@flexbso/contracts';
import type { AgentAddress } from './principal.js';

/** An agent's message that asked for its reply to go elsewhere. Nothing was answered and no handler ran. */
export interface Quarantine extends AgentAddress {
  readonly subject: string;
  readonly replySubject: string;
}

/**
 * What to do about a message's reply subject.
 * - answer: it lies where its sender hears replies.
 * - silent: there is none; the message is a notice.
 * - quarantine: an agent named a reply subject outside its own inbox. The server does not check reply subjects,
 *   so a service that answered would publish, with its own rights, wherever the agent pleased.
 * - drop: the same from something that is not an agent, or a subject that nobody may ask on.
 */
export type ReplyVerdict =
  | { readonly kind: 'answer'; readonly replySubject: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'quarantine'; readonly quarantine: Quarantine }
  | { readonly kind: 'drop' };

const servicePrefix = subjects.serviceInbox('');

/** Judges the reply subject of a message that a service received. */
export function judgeReply(subject: string, replySubject: string | undefined): ReplyVerdict {
  if (replySubject === undefined || replySubject === '') return { kind: 'silent' };
  const sender = senderOf(subject);
  if (sender) {
    const { role, id } = sender;
    return isUnder(subjects.agentInbox(role, id), replySubject)
      ? { kind: 'answer', replySubject }
      : { kind: 'quarantine', quarantine: { role, id, subject, replySubject } };
  }
  const mayAsk = subject.startsWith('bso.rpc.') && isServiceInbox(replySubject);
  return mayAsk ? { kind: 'answer', replySubject } : { kind: 'drop' };
}

/** Why an agent is quarantined that named another's reply subject, for an operator. */
export function foreignReply(replySubject: string): string {
  return `asked for its answer to go to ${replySubject.slice(0, 200)}, which is not its own`;
}

/** Whether a reply subject lies under some service's inbox. */
export function isServiceInbox(replySubject: string): boolean {
  return replySubject.startsWith(servicePrefix) && !hasWildcard(replySubject);
}

function isUnder(prefix: string, subject: string): boolean {
  return subject.startsWith(`${prefix}.`) && !hasWildcard(subject);
}

/** A publish to a wildcard is refused by the server, and with it the connection may be closed. */
function hasWildcard(subject: string): boolean {
  return subject.split('.').some((token) => token === '*' || token === '>' || token === '');
}
