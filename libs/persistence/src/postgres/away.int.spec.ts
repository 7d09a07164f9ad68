import { eventually, type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.js';
import { Counter, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';

let server: PostgresServer;
let database: Database;
let other: Database;

beforeEach(async () => {
  server = await startPostgres();
  database = await openFor(await server.createDatabase('away'));
  other = await openFor(server.url);
});
afterEach(async () => {
  await database.destroy();
  await other.destroy();
  await server.stop();
});

/** As a restart does to every session. */
const cutConnections = () =>
  other.manager.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'`);

const lost = { name: 'lost', sizeBytes: 1, note: null };
const unavailable = { code: 'unavailable', message: expect.stringContaining('Idempotency-Key') };

describe('a PostgreSQL whose connections are cut', () => {
  test('in the middle of a transaction is unavailable, and answers whoever asks next', async () => {
    const cut = transaction(database, async (manager) => {
      await manager.insert(Counter, lost);
      await cutConnections();
      await manager.count(Counter);
    });
    await expect(cut).rejects.toMatchObject(unavailable);
    expect(await database.manager.count(Counter)).toBe(0);
  });

  test('between two statements, and noticed by then, is unavailable', async () => {
    const cut = transaction(database, async (manager) => {
      await manager.insert(Counter, lost);
      await cutConnections();
      await eventually('the loss is noticed', () => manager.queryRunner?.isReleased === true);
      await manager.sql`SELECT 1`;
    });
    await expect(cut).rejects.toMatchObject(unavailable);
  });

  test('just before the commit is unavailable', async () => {
    const cut = transaction(database, async (manager) => {
      await manager.insert(Counter, lost);
      await cutConnections();
    });
    await expect(cut).rejects.toMatchObject(unavailable);
    expect(await database.manager.count(Counter)).toBe(0);
  });
});

test('a PostgreSQL that is stopped is unavailable, to a read as to a transaction', async () => {
  await server.stop();
  await expect(database.manager.count(Counter)).rejects.toMatchObject(unavailable);
  await expect(transaction(database, (manager) => manager.count(Counter))).rejects.toMatchObject(unavailable);
});
