import { startPostgres } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from './database.js';
import { transaction } from './transaction.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from './testing/databases.js';

const counter = (name: string, sizeBytes = 0, note: Counter['note'] = null): Counter =>
  Object.assign(new Counter(), { name, sizeBytes, note, frozen: false });

describe.each(databaseKinds)('transactions on %s', (_name, startHost) => {
  let host: DatabaseHost;
  let url: string;
  let database: Database;

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    url = await host.freshUrl();
    database = await openFor(url);
  });
  afterEach(() => database.destroy());

  const names = async () => (await database.manager.find(Counter, { order: { name: 'ASC' } })).map(({ name }) => name);

  test('a rollback takes nothing of the transactions beside it', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        transaction(database, async (manager) => {
          await manager.insert(Counter, counter(`before-${index}`));
          await manager.findBy(Counter, { frozen: false });
          await manager.save(Counter, counter(`after-${index}`));
          if (index % 4 === 0) throw new Error('refused');
        }),
      ),
    );
    const kept = outcomes.flatMap((outcome, index) =>
      outcome.status === 'fulfilled' ? [`before-${index}`, `after-${index}`] : [],
    );
    expect(kept).toHaveLength(60);
    expect(await names()).toEqual(kept.toSorted());
  });

  test('a save outside transactions survives the rollback of one that is open meanwhile', async () => {
    const inserted = Promise.withResolvers<void>();
    const fail = Promise.withResolvers<void>();
    const failing = transaction(database, async (manager) => {
      await manager.insert(Counter, counter('lost'));
      inserted.resolve();
      await fail.promise;
      throw new Error('refused');
    });
    await inserted.promise;
    const saving = database.manager.save(Counter, counter('kept'));
    const inserting = database.getRepository(Counter).insert(counter('kept-too'));
    fail.resolve();
    await expect(failing).rejects.toThrow('refused');
    await Promise.all([saving, inserting]);
    expect(await names()).toEqual(['kept', 'kept-too']);
  });

  test('a read outside a transaction does not see what is not committed', async () => {
    const inserted = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const failing = transaction(database, async (manager) => {
      await manager.insert(Counter, counter('uncommitted'));
      inserted.resolve();
      await finish.promise;
      throw new Error('refused');
    });
    await inserted.promise;
    const seen = names();
    finish.resolve();
    await expect(failing).rejects.toThrow('refused');
    expect(await seen).toEqual([]);
  });

  test('compare-and-set loses no increment among concurrent writers', async () => {
    await database.manager.insert(Counter, counter('shared'));
    const increment = async (): Promise<void> => {
      const done = await transaction(database, async (manager) => {
        const { sizeBytes } = await manager.findOneByOrFail(Counter, { name: 'shared' });
        const result = await manager.update(Counter, { name: 'shared', sizeBytes }, { sizeBytes: sizeBytes + 1 });
        return result.affected === 1;
      });
      if (!done) await increment();
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    expect((await database.manager.findOneByOrFail(Counter, { name: 'shared' })).sizeBytes).toBe(20);
  });

  test('serializable transactions that collide are tried again', async () => {
    await database.manager.insert(Counter, counter('shared'));
    await Promise.all(
      Array.from({ length: 3 }, () =>
        transaction(
          database,
          async (manager) => {
            const found = await manager.findOneByOrFail(Counter, { name: 'shared' });
            found.sizeBytes += 1;
            await manager.save(found);
          },
          { isolation: 'SERIALIZABLE' },
        ),
      ),
    );
    expect((await database.manager.findOneByOrFail(Counter, { name: 'shared' })).sizeBytes).toBe(3);
  });

  test('using the data source inside its transaction is refused, not waited for', async () => {
    const inside = { code: 'database-used-inside-transaction' };
    await expect(transaction(database, async () => database.manager.find(Counter))).rejects.toMatchObject(inside);
    await expect(transaction(database, () => transaction(database, async () => 1))).rejects.toMatchObject(inside);
    await expect(database.transaction(async () => database.getRepository(Counter).count())).rejects.toMatchObject(
      inside,
    );
    expect(await database.manager.count(Counter)).toBe(0);
  });

  test('work that outlives the transaction that started it may use the data source', async () => {
    const committed = Promise.withResolvers<void>();
    const counting = await transaction(database, async (manager) => {
      await manager.insert(Counter, counter('one'));
      return { later: committed.promise.then(() => database.manager.count(Counter)) };
    });
    committed.resolve();
    expect(await counting.later).toBe(1);
  });

  test('a transaction within the manager is a savepoint', async () => {
    await transaction(database, async (manager) => {
      await manager.insert(Counter, counter('outer'));
      const inner = manager.transaction(async (nested) => {
        await nested.insert(Counter, counter('inner'));
        throw new Error('only the inner');
      });
      await expect(inner).rejects.toThrow('only the inner');
    });
    expect(await names()).toEqual(['outer']);
  });

  test('a statement that fails fails its own transaction and frees the database', async () => {
    await database.manager.insert(Counter, counter('taken'));
    const colliding = transaction(database, (manager) => manager.insert(Counter, counter('taken')));
    await expect(colliding).rejects.toThrow(/unique/i);
    await transaction(database, (manager) => manager.insert(Counter, counter('next')));
    expect(await names()).toEqual(['next', 'taken']);
  });

  test('what was committed is there after opening again, and migrations run once', async () => {
    const note = { text: 'sätze', list: [1, 2.5, null, 'x'] };
    await database.manager.save(Counter, { name: 'kept', sizeBytes: Number.MAX_SAFE_INTEGER, note, frozen: true });
    await database.destroy();
    database = await openFor(url);
    const found = await database.manager.findOneByOrFail(Counter, { name: 'kept' });
    expect(found).toMatchObject({ name: 'kept', sizeBytes: Number.MAX_SAFE_INTEGER, note, frozen: true });
  });

  test('a JSON text and an absent JSON value come back as they went in', async () => {
    await database.manager.save(Counter, [counter('text', 0, 'null'), counter('absent')]);
    expect((await database.manager.findOneByOrFail(Counter, { name: 'text' })).note).toBe('null');
    expect((await database.manager.findOneByOrFail(Counter, { name: 'absent' })).note).toBeNull();
  });

  test.each([2 ** 53, 0.5, Number.NaN])('the unsafe integer %d is refused before it is written', async (sizeBytes) => {
    await expect(database.manager.insert(Counter, counter('big', sizeBytes))).rejects.toMatchObject({
      code: 'value-unsafe',
    });
    expect(await database.manager.count(Counter)).toBe(0);
  });
});

test('several replicas may start on the same new PostgreSQL database at once', async () => {
  const server = await startPostgres();
  try {
    const replicas = await Promise.all([openFor(server.url), openFor(server.url), openFor(server.url)]);
    const counts = await Promise.all(replicas.map((replica) => replica.manager.count(Counter)));
    await Promise.all(replicas.map((replica) => replica.destroy()));
    expect(counts).toEqual([0, 0, 0]);
  } finally {
    await server.stop();
  }
});
