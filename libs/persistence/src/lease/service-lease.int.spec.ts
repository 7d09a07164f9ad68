import { ProblemError } from '@flexbso/contracts';
import { eventually } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.js';
import { Counter, type DatabaseHost, databaseKinds, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';
import { LeaseRow } from './lease-row.js';
import type { LeaseTimes } from './lease-time.js';
import { ServiceLease } from './service-lease.js';

/** Much shorter than a service's, so that the suite is quick; a lease of this length still outlives a busy machine's pause. */
const times: LeaseTimes = {
  leaseMs: 1_000,
  renewEveryMs: 100,
  checkEveryMs: 50,
  retryEveryMs: 50,
  giveUpMs: 10_000,
  pollEveryMs: 20,
};
const name = 'suite';

const write = (database: Database, lease: ServiceLease, counter: string) =>
  transaction(
    database,
    (manager) => manager.insert(Counter, { name: counter, sizeBytes: 0, note: null, frozen: false }),
    { fence: lease.fence },
  );
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof ProblemError ? error.code : String(error)),
  );

describe.each(databaseKinds)('a lease on %s', (_kind, startHost) => {
  let host: DatabaseHost;
  let first: Database;
  let second: Database;
  let leases: ServiceLease[];
  let standbys: string[];
  let lost: string[];

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    const url = await host.freshUrl();
    // Two processes on one database: on SQLite two connections to one file.
    [first, second] = [await openFor(url), await openFor(url)];
    [leases, standbys, lost] = [[], [], []];
  });
  afterEach(async () => {
    await Promise.all(leases.map((lease) => lease.release()));
    await first.destroy();
    await second.destroy();
  });

  async function take(database: Database): Promise<ServiceLease> {
    const lease = await ServiceLease.take(database, {
      name,
      times,
      onStandby: (holder) => standbys.push(holder),
      onFailed: (what, error) => {
        throw new Error(`it failed to ${what}`, { cause: error });
      },
      onLost: (reason) => lost.push(reason),
    });
    leases.push(lease);
    return lease;
  }

  /** As if time had passed, or an operator had decided: the row says that nobody holds it. */
  const expire = () => first.manager.update(LeaseRow, { name }, { expiresAtMs: 1 });

  test('is taken at once when it is free, and not by another until it is given back', async () => {
    const holder = await take(first);
    const waiting = take(second);
    await eventually('the other stands by', () => standbys.length > 0);
    expect([holder.isHeld, leases.length]).toEqual([true, 1]);
    await holder.release();
    const next = await waiting;
    expect(next.token).toBeGreaterThan(holder.token);
    expect(standbys).toHaveLength(1);
  });

  test('is kept for longer than it lasts, by renewing', async () => {
    const holder = await take(first);
    const { expiresAtMs: before } = await first.manager.findOneByOrFail(LeaseRow, { name });
    await eventually('it was renewed beyond its first end', async () => {
      const { expiresAtMs } = await first.manager.findOneByOrFail(LeaseRow, { name });
      return expiresAtMs > before + times.leaseMs;
    });
    expect([holder.isHeld, lost]).toEqual([true, []]);
  });

  test('taken over refuses every write of its old holder, who learns that it is lost', async () => {
    const old = await take(first);
    await write(first, old, 'before');
    const waiting = take(second);
    await eventually('the other stands by', () => standbys.length > 0);
    await expireUntilTaken(waiting);
    const next = await waiting;
    expect(await codeOf(write(first, old, 'stale'))).toBe('fenced');
    expect([await codeOf(old.confirm()), old.isHeld, lost.length]).toEqual(['fenced', false, 1]);
    expect(() => old.requireHeld()).toThrow(/no longer holds the lease of suite/);
    await write(second, next, 'after');
    expect((await second.manager.find(Counter)).map((counter) => counter.name).toSorted()).toEqual(['after', 'before']);
  });

  /** The holder renews all the time: it is expired until the standby was quicker. */
  async function expireUntilTaken(waiting: Promise<unknown>): Promise<void> {
    let isTaken = false;
    void waiting.then(() => (isTaken = true));
    await eventually('the standby has it', async () => {
      if (!isTaken) await expire();
      return isTaken;
    });
  }

  test('expired and taken by nobody is renewed like any other', async () => {
    const holder = await take(first);
    await expire();
    await holder.confirm();
    await write(first, holder, 'after');
    expect(lost).toEqual([]);
  });

  test('given back refuses what its holder still writes', async () => {
    const holder = await take(first);
    await holder.release();
    expect(await codeOf(write(first, holder, 'late'))).toBe('fenced');
    expect(lost).toEqual([]);
  });

  test('gives a token above those of a database that was put back to an older copy', async () => {
    const holder = await take(first);
    await holder.release();
    await first.manager.update(LeaseRow, { name }, { token: 1 });
    expect((await take(first)).token).toBeGreaterThan(holder.token);
  });
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
      const old = await ServiceLease.take(first, { ...options, times: rare });
      let next: Promise<ServiceLease> | undefined;
      await transaction(
        first,
        async (manager) => {
          next = ServiceLease.take(second, options);
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
