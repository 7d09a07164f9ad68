import { eventually } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../database.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from '../testing/databases.js';
import { describeLease, type LeaseWorld, suiteLease as name, suiteTimes as times } from '../testing/lease-suite.js';
import { transaction } from '../transaction.js';
import { LeaseRow } from './lease-row.js';
import type { DatabaseLease } from './service-standing.js';
import { ServiceLease } from './service-lease.js';
import { SqlLeaseStore } from './sql-lease-store.js';

/** Two processes on one database: on SQLite two connections to one file. */
async function worldOn(url: string): Promise<LeaseWorld<Database['manager']>> {
  const databases = [await openFor(url), await openFor(url)] as const;
  const [first, second] = databases;
  return {
    stores: [new SqlLeaseStore(first, name), new SqlLeaseStore(second, name)],
    write: async (process, fence, counter) => {
      const row = { name: counter, sizeBytes: 0, note: null, frozen: false };
      await transaction(databases[process], (manager) => manager.insert(Counter, row), { fence });
    },
    written: async () => (await second.manager.find(Counter)).map((counter) => counter.name),
    row: () => first.manager.findOneByOrFail(LeaseRow, { name }),
    edit: async (row) => void (await first.manager.update(LeaseRow, { name }, row)),
    stop: async () => {
      await first.destroy();
      await second.destroy();
    },
  };
}

describe.each(databaseKinds)('with a host', (kind, startHost) => {
  let host: DatabaseHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());

  describeLease(kind, async () => worldOn(await host.freshUrl()));
});

describe('a takeover on PostgreSQL', () => {
  test('waits for a transaction that the old holder has begun, and finds what it wrote', async () => {
    const start = databaseKinds.find(([kind]) => kind === 'PostgreSQL')?.[1];
    if (!start) throw new Error('the suites run on PostgreSQL');
    const host = await start();
    const url = await host.freshUrl();
    const [first, second] = [await openFor(url), await openFor(url)];
    try {
      const options = { name, times, onStandby: () => undefined, onFailed: () => undefined, onLost: () => undefined };
      // Renews never: its lease runs out while the transaction is open.
      const rare = { ...times, renewEveryMs: 60_000, retryEveryMs: 60_000 };
      const old = await ServiceLease.take(new SqlLeaseStore(first, name), { ...options, times: rare });
      let next: Promise<DatabaseLease> | undefined;
      await transaction(
        first,
        async (manager) => {
          next = ServiceLease.take(new SqlLeaseStore(second, name), options);
          await eventually('the takeover waits for the row', async () => {
            const rows: unknown = await second.manager
              .sql`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO "service_lease"%'`;
            return Array.isArray(rows) && rows.length > 0;
          });
          await manager.insert(Counter, { name: 'just in time', sizeBytes: 0, note: null, frozen: false });
        },
        { fence: old.fence },
      );
      const taken = await next;
      expect(await second.manager.countBy(Counter, { name: 'just in time' })).toBe(1);
      await expect(transaction(first, async () => undefined, { fence: old.fence })).rejects.toThrow(/^fenced/);
      await taken?.release();
      await old.release();
    } finally {
      await first.destroy();
      await second.destroy();
      await host.stop();
    }
  });
});
