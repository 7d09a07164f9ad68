import {
  type AgentRole,
  type CardDesired,
  MAX_MESSAGE_BYTES,
  type PoolDesired,
  ProblemError,
} from '@flexbso/contracts';
import type { DesiredEntry } from './desired-entry.js';

/** The envelope around the answer, and the room that a reply's own fields take. */
const roomBytes = MAX_MESSAGE_BYTES - 2_000;
/** The schema's bound on items. */
const maxItems = 1_000;

/** In whose name agents are told: which life of the database, and which holder of the lease on it. */
export interface Speaker {
  readonly incarnation: string;
  /** The lease's fencing token. */
  readonly term: number;
}

export interface AnswerHead extends Speaker {
  readonly role: AgentRole;
  readonly agentId: string;
  readonly sinceRevision: number;
  readonly revision: number;
  /** From which life, and up to which revision of it, the agent is let over to this one. */
  readonly takesOver?: { readonly incarnation: string; readonly revision: number };
  /** A card of another life may go on with what it holds. */
  readonly isResumed?: boolean;
}

/**
 * The message that brings an agent from one revision to another; answers and nudges are the same. When the entries do
 * not fit one message it ends at an earlier revision, and the agent asks on from there. A whole state is never cut:
 * what it lacks would look like absence.
 */
export function desiredMessage(head: AnswerHead, entries: readonly DesiredEntry[]): CardDesired | PoolDesired {
  const fitting = fittingOf(head, entries);
  const last = fitting.at(-1);
  const revision = fitting.length < entries.length && last ? last.revision : head.revision;
  const { incarnation, term, sinceRevision } = head;
  const over = head.takesOver === undefined ? {} : { takesOver: { ...head.takesOver } };
  const common = { v: 1 as const, incarnation, term, ...over, sinceRevision, revision };
  const to = { role: head.role, id: head.agentId };
  return head.role === 'card'
    ? {
        ...common,
        ...(head.isResumed ? { resumed: true as const } : {}),
        to,
        items: fitting.flatMap((entry) => (entry.role === 'card' ? [{ ...entry.item, revision: entry.revision }] : [])),
      }
    : {
        ...common,
        to,
        items: fitting.flatMap((entry) => (entry.role === 'pool' ? [{ ...entry.item, revision: entry.revision }] : [])),
      };
}

function fittingOf(head: AnswerHead, entries: readonly DesiredEntry[]): DesiredEntry[] {
  let bytes = 0;
  const over = entries.findIndex((entry, index) => {
    bytes += Buffer.byteLength(JSON.stringify(entry.item)) + 1;
    return bytes > roomBytes || index >= maxItems;
  });
  if (over === -1) return [...entries];
  // Entries of one revision belong together: cut before the revision that does not fit.
  const cutRevision = entries[over]?.revision ?? 0;
  const fitting = entries.filter((entry) => entry.revision < cutRevision);
  if (head.sinceRevision > 0 && fitting.length > 0) return fitting;
  throw new ProblemError({
    code: 'body-too-large',
    detail: `what ${head.role} ${head.agentId} is to do has ${entries.length} entries and fits no message of ${MAX_MESSAGE_BYTES} bytes; spread its volumes over more ${head.role}s`,
    facts: { entries: entries.length, limitBytes: MAX_MESSAGE_BYTES },
  });
}
