import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Database } from '../database.js';
import { prune } from '../pruning.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';
import { idempotent } from './idempotency.js';

const responseSchema = z.object({ volume: z.string(), serial: z.number() });

describe.each(databaseKinds)('idempotency keys on %s', (_name, startHost) => {
  let host: DatabaseHost;
  let database: Database;
  let serial: number;

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    serial = 0;
    database = await openFor(await host.freshUrl());
  });
  afterEach(() => database.destroy());

  const create = (key: string, requestDigest = 'digest', scope = 'tenant') =>
    transaction(database, (manager) =>
      idempotent(manager, { scope, key, requestDigest, responseSchema }, async () => {
        serial += 1;
        await manager.insert(Counter, { name: `volume-${serial}`, sizeBytes: 1, note: null });
        return { volume: `volume-${serial}`, serial };
      }),
    );

  test('the same request again gets the same response and does nothing', async () => {
    const first = await create('k1');
    expect(first).toEqual({ response: { volume: 'volume-1', serial: 1 }, replayed: false });
    expect(await create('k1')).toEqual({ response: first.response, replayed: true });
    expect(await database.manager.count(Counter)).toBe(1);
  });

  test('another request under the same key is refused', async () => {
    await create('k1');
    await expect(create('k1', 'another digest')).rejects.toMatchObject({ code: 'idempotency-key-reused' });
    expect(await database.manager.count(Counter)).toBe(1);
  });

  test('the same key of another tenant is another key', async () => {
    await create('k1');
    expect(await create('k1', 'digest', 'another')).toMatchObject({ replayed: false });
  });

  test('requests at the same time are done once and answered alike', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => create('k1')));
    expect(new Set(answers.map(({ response }) => response.serial)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  test('a request that fails frees its key', async () => {
    await database.manager.insert(Counter, { name: 'volume-1', sizeBytes: 1, note: null });
    await expect(create('k1')).rejects.toThrow(/unique/i);
    expect(await create('k1')).toMatchObject({ response: { serial: 2 }, replayed: false });
  });

  test('a key is free again once it was pruned', async () => {
    await create('k1');
    expect(await prune(database, { inboxMs: 0, idempotencyKeysMs: Date.now() + 1 })).toEqual({
      inbox: 0,
      idempotencyKeys: 1,
    });
    expect(await create('k1')).toMatchObject({ replayed: false });
  });
});
