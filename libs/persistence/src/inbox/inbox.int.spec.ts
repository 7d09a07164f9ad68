import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.js';
import { prune } from '../pruning.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';
import { InboxRow, once } from './inbox.js';

describe.each(databaseKinds)('the inbox on %s', (_name, startHost) => {
  let host: DatabaseHost;
  let database: Database;

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    database = await openFor(await host.freshUrl());
    await database.manager.insert(Counter, { name: 'handled', sizeBytes: 0, note: null });
  });
  afterEach(() => database.destroy());

  const handle = (consumer: string, messageId: string, fail = false) =>
    transaction(database, (manager) =>
      once(manager, consumer, messageId, async () => {
        await manager.increment(Counter, { name: 'handled' }, 'sizeBytes', 1);
        if (fail) throw new Error('refused');
        return 'done';
      }),
    );
  const handled = async () => (await database.manager.findOneByOrFail(Counter, { name: 'handled' })).sizeBytes;

  test('a message that is delivered twice is handled once', async () => {
    expect(await handle('audit', 'm1')).toEqual({ handled: true, result: 'done' });
    expect(await handle('audit', 'm1')).toEqual({ handled: false });
    expect(await handled()).toBe(1);
  });

  test('deliveries at the same time are handled once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => handle('audit', 'm1')));
    expect(outcomes.filter((outcome) => outcome.handled)).toHaveLength(1);
    expect(await handled()).toBe(1);
  });

  test('each consumer handles the message for itself', async () => {
    await handle('audit', 'm1');
    expect(await handle('metrics', 'm1')).toMatchObject({ handled: true });
  });

  test('a handler that fails leaves no mark, so that the next delivery is handled', async () => {
    await expect(handle('audit', 'm1', true)).rejects.toThrow('refused');
    expect(await handled()).toBe(0);
    expect(await handle('audit', 'm1')).toMatchObject({ handled: true });
  });

  test('pruning deletes marks by their age', async () => {
    await database.manager.insert(InboxRow, [
      { consumer: 'audit', messageId: 'old', handledAtMs: 1_000 },
      { consumer: 'audit', messageId: 'new', handledAtMs: 2_000 },
    ]);
    expect(await prune(database, { inboxMs: 2_000, idempotencyKeysMs: 0 })).toEqual({ inbox: 1, idempotencyKeys: 0 });
    expect(await handle('audit', 'new')).toEqual({ handled: false });
  });
});
