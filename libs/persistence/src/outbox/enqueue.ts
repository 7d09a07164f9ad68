import { randomUUID } from 'node:crypto';
import { context, propagation } from '@opentelemetry/api';
import type { EntityManager } from 'typeorm';
import { writeRows } from '../write-rows.js';
import { OutboxRow } from './outbox-row.js';

export interface OutboxMessage {
  readonly subject: string;
  /** A JSON object that fits the subject's schema. */
  readonly payload: object;
  /** Added to the trace context of the caller, which is always carried. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For a payload that carries its own message id; made here when left out. */
  readonly messageId?: string;
}

/**
 * Ties messages to the transaction: they are published, in this order, if and only if the transaction commits.
 * Wake the relay after the commit; forgetting it costs a poll's delay.
 * @returns the message ids, under which they will be published.
 */
export async function enqueue(manager: EntityManager, ...messages: readonly OutboxMessage[]): Promise<string[]> {
  const createdAtMs = Date.now();
  const rows = messages.map(({ subject, payload, headers: given, messageId = randomUUID() }) => {
    const headers: Record<string, string> = { ...given };
    propagation.inject(context.active(), headers);
    return { messageId, subject, payload, headers, createdAtMs };
  });
  await writeRows(manager, OutboxRow, rows, 'refuse');
  return rows.map(({ messageId }) => messageId);
}
