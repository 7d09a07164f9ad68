import { Column, Entity, type EntityManager } from 'typeorm';
import { instantColumn } from '../columns.js';

/** A message that a consumer has handled. */
@Entity('inbox')
export class InboxRow {
  @Column({ type: 'text', primary: true })
  consumer!: string;

  @Column({ type: 'text', primary: true })
  messageId!: string;

  @instantColumn()
  handledAtMs!: number;
}

export type Once<Result> = { readonly handled: true; readonly result: Result } | { readonly handled: false };

/**
 * Handles a message at most once: runs `work` unless `consumer` has handled `messageId` before. The mark is part of
 * the caller's transaction, so it exists exactly if what `work` wrote does. Two at once: the second waits for the
 * first and then, if that one committed, does nothing.
 */
export async function once<Result>(
  manager: EntityManager,
  consumer: string,
  messageId: string,
  work: () => Promise<Result>,
): Promise<Once<Result>> {
  const marked: unknown[] = await manager.sql`
    INSERT INTO "inbox" ("consumer", "messageId", "handledAtMs") VALUES (${consumer}, ${messageId}, ${Date.now()})
    ON CONFLICT DO NOTHING RETURNING "messageId"`;
  if (marked.length === 0) return { handled: false };
  return { handled: true, result: await work() };
}
