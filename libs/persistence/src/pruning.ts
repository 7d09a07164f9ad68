import { type DataSource, LessThan } from 'typeorm';
import { IdempotencyKey } from './idempotency/idempotency.js';
import { InboxRow } from './inbox/inbox.js';
import { type Fence, transaction } from './transaction.js';

export interface PruningOptions {
  /** Default one week: far longer than the streams redeliver. */
  readonly keepInboxMs?: number;
  /** Default one day, within which a client may repeat a request. */
  readonly keepIdempotencyKeysMs?: number;
  /** Default one minute: with 1,000 rows a second a pass deletes at most 60,000. */
  readonly everyMs?: number;
  /** Of a service of which one process at a time may write. */
  readonly fence?: Fence;
  /** A failed pass; the next one comes anyway. */
  readonly onError: (error: unknown) => void;
}

const hourMs = 3_600_000;
const defaults = { keepInboxMs: 7 * 24 * hourMs, keepIdempotencyKeysMs: 24 * hourMs, everyMs: 60_000 };

/** Deletes the inbox marks and idempotency keys older than an instant. @returns how many rows of each went. */
export async function prune(
  dataSource: DataSource,
  before: { readonly inboxMs: number; readonly idempotencyKeysMs: number },
  options: Pick<PruningOptions, 'fence'> = {},
): Promise<{ inbox: number; idempotencyKeys: number }> {
  return transaction(
    dataSource,
    async (manager) => {
      const inbox = await manager.delete(InboxRow, { handledAtMs: LessThan(before.inboxMs) });
      const keys = await manager.delete(IdempotencyKey, { createdAtMs: LessThan(before.idempotencyKeysMs) });
      return { inbox: inbox.affected ?? 0, idempotencyKeys: keys.affected ?? 0 };
    },
    options,
  );
}

/** Prunes on a beat, so that both tables stay bounded. @returns the function that stops it and waits for a pass under way. */
export function startPruning(dataSource: DataSource, options: PruningOptions): () => Promise<void> {
  const { keepInboxMs, keepIdempotencyKeysMs, everyMs, onError } = { ...defaults, ...options };
  const run = async (): Promise<void> => {
    const nowMs = Date.now();
    try {
      const before = { inboxMs: nowMs - keepInboxMs, idempotencyKeysMs: nowMs - keepIdempotencyKeysMs };
      await prune(dataSource, before, options);
    } catch (error) {
      onError(error);
    }
  };
  let pass = Promise.resolve();
  const timer = setInterval(() => {
    pass = pass.then(run);
  }, everyMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await pass;
  };
}
