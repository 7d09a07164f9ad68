import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from './database.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from './testing/databases.js';
import { transaction } from './transaction.js';
import { type OnConflict, writeRows } from './write-rows.js';

const counter = (name: string, sizeBytes = 0): Counter => ({ name, sizeBytes, note: { of: name }, frozen: true });

describe.each(databaseKinds)('rows written on %s', (_name, startHost) => {
  let host: DatabaseHost;
  let database: Database;

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    database = await openFor(await host.freshUrl());
  });
  afterEach(() => database.destroy());

  const write = (rows: Partial<Counter>[], onConflict: OnConflict) =>
    transaction(database, (manager) => writeRows(manager, Counter, rows, onConflict));
  const all = () => database.manager.find(Counter, { order: { name: 'ASC' } });

  test('come back as they went in, whatever their number', async () => {
    const rows = Array.from({ length: 77 }, (_, index) => counter(String(index).padStart(3, '0'), 2 ** 40 + index));
    await write(rows, 'refuse');
    expect(await all()).toEqual(rows);
    await write([], 'refuse');
  });

  test('more than one statement may hold are written all the same', async () => {
    const rows = Array.from({ length: 10_000 }, (_, index) => counter(`${index}`));
    await write(rows, 'refuse');
    expect(await database.manager.count(Counter)).toBe(10_000);
  });

  test('replace every column, and null what is left out', async () => {
    await write([counter('a', 1), counter('b', 1)], 'refuse');
    await write([{ name: 'a', sizeBytes: 2, frozen: false }], 'replace');
    expect(await all()).toEqual([{ name: 'a', sizeBytes: 2, note: null, frozen: false }, counter('b', 1)]);
  });

  test('keep what is there, and add the others', async () => {
    await write([counter('a', 1)], 'keep');
    await write([counter('a', 2), counter('b', 2)], 'keep');
    expect(await all()).toEqual([counter('a', 1), counter('b', 2)]);
  });

  test('are refused together when one of them is', async () => {
    await write([counter('a', 1)], 'refuse');
    await expect(write([counter('b'), counter('c'), counter('a', 2)], 'refuse')).rejects.toThrow(/unique/i);
    expect(await all()).toEqual([counter('a', 1)]);
  });
});
