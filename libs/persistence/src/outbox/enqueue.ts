import { randomUUID } from 'node:crypto';
import { context, propagation } from '@opentelemetry/api';
import type { EntityManager } from 'typeorm';
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
 * Ties a message to the transaction: it is published if and only if the transaction commits.
 * Wake the relay after the commit; forgetting it costs a poll's delay.
 * @returns the message id, under which it will be published.
 */
export async function enqueue(manager: EntityManager, message: OutboxMessage): Promise<string> {
  const headers: Record<string, string> = { ...message.headers };
  propagation.inject(context.active(), headers);
  const messageId = message.messageId ?? randomUUID();
  const { subject, payload } = message;
  await manager.insert(OutboxRow, { messageId, subject, payload, headers, createdAtMs: Date.now() });
  return messageId;
}
