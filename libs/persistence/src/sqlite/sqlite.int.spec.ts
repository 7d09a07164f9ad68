import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../database.js';
import { Counter, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';

let folder: string;
let database: Database;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-sqlite-'));
  database = await openFor(`sqlite://${join(folder, 'made', 'on', 'the', 'way.db')}`);
});
afterEach(async () => {
  await database.destroy();
  await rm(folder, { recursive: true, force: true });
});

test('an acknowledged write is synced, readers and foreign keys are as they should be', async () => {
  expect(await database.query('PRAGMA synchronous')).toEqual([{ synchronous: 2 }]);
  expect(await database.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
  expect(await database.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
  expect(await database.query('PRAGMA busy_timeout')).toEqual([{ timeout: 2000 }]);
});

test('the file and its log are for their owner only', async () => {
  const files = ['way.db', 'way.db-wal'].map((name) => stat(join(folder, 'made', 'on', 'the', name)));
  expect((await Promise.all(files)).map(({ mode }) => mode & 0o777)).toEqual([0o600, 0o600]);
});

test('a transaction that is left open by its runner ends when the runner is released', async () => {
  const runner = database.createQueryRunner();
  await runner.startTransaction();
  await runner.manager.insert(Counter, { name: 'left open', sizeBytes: 1, note: null });
  await runner.release();
  expect(await database.manager.count(Counter)).toBe(0);
  await expect(runner.query('SELECT 1')).rejects.toThrow(/released/i);
});

test('a transaction that SQLite itself has ended leaves the database usable', async () => {
  const failing = transaction(database, async (manager) => {
    await manager.insert(Counter, { name: 'gone', sizeBytes: 1, note: null });
    await manager.query('ROLLBACK');
    await manager.insert(Counter, { name: 'outside', sizeBytes: 1, note: null });
  });
  await expect(failing).rejects.toThrow(/no transaction is active/);
  await transaction(database, (manager) => manager.insert(Counter, { name: 'next', sizeBytes: 1, note: null }));
  expect(await database.manager.existsBy(Counter, { name: 'gone' })).toBe(false);
  expect(await database.manager.existsBy(Counter, { name: 'next' })).toBe(true);
});
