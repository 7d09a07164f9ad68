import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ProblemCode, rpc, type Volume } from '@flexbso/contracts';
import { RpcClient } from '@flexbso/messaging';
import { type Database, databaseOptions, openDatabase, serviceLeaseTimes } from '@flexbso/persistence';
import { eventually, type PostgresServer, ServiceProcess, startPostgres } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { schedulerDatabase } from './persistence/typeorm-store.js';
import { BusCell, codeOf, type SchedulerClient } from './testing/bus-cell.js';
import { operator } from './testing/fixtures.js';

const mainPath = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** What the runbooks promise: the lease, the standby's poll and its loading, on a busy machine. */
const takeoverLimitMs = 2 * serviceLeaseTimes.leaseMs;
/** EX_TEMPFAIL: start me again. */
const exitLeaseLost = 75;
/** Long enough for a message to be on its way to a process that is stopped and will not answer. */
const unansweredMs = 500;

describe('two schedulers on one PostgreSQL', () => {
  let postgres: PostgresServer;
  let cell: BusCell;
  let client: SchedulerClient;
  let processes: ServiceProcess[];
  let databases = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());
  beforeEach(async () => {
    processes = [];
    cell = await BusCell.prepare(await postgres.createDatabase(`takeover_${(databases += 1)}`));
    client = await cell.client();
  });
  afterEach(async () => {
    for (const process of processes) await process.kill();
    await cell.stop();
  });

  async function start(role: 'active' | 'standby'): Promise<ServiceProcess> {
    const file = join(cell.folder, `scheduler-${processes.length}.json`);
    const process = await ServiceProcess.start(mainPath, file, cell.configuration);
    processes.push(process);
    await process.until(role);
    return process;
  }

  /** Asks for limits that only this asks for, and does not wait for the answer longer than it takes to be sent. */
  async function askUnanswered(volume: Volume, iopsTotal: number): Promise<ProblemCode | null> {
    const payload = {
      v: 1 as const,
      caller: operator,
      idempotencyKey: `stale-${iopsTotal}`,
      volume: volume.name,
      basedOnGeneration: volume.generation,
      patch: { qos: { iopsTotal } },
    };
    const bus = await cell.bus({ kind: 'service', name: 'gateway' });
    const verb = rpc.scheduler['change-volume'];
    return codeOf(new RpcClient(bus).call('scheduler', 'change-volume', verb, payload, { timeoutMs: unansweredMs }));
  }

  async function settledVolume(): Promise<Volume> {
    await cell.joinAgents();
    const { change } = await client.create({ placement: { poolIds: ['pool-1'] } });
    await client.until(change.changeId, 'settled');
    return client.volume();
  }

  it('one stands by, and takes over at once from one that ends', async () => {
    const first = await start('active');
    const second = await start('standby');
    const volume = await settledVolume();
    first.signal('SIGTERM');
    expect(await first.ended()).toBe(0);
    await second.until('active', takeoverLimitMs);
    expect(await client.volume()).toEqual(volume);
  });

  it('one that is stopped past its lease is replaced, writes and says nothing when it goes on, and ends', async () => {
    const first = await start('active');
    const second = await start('standby');
    const volume = await settledVolume();
    const [ownTerm] = cell.terms;
    first.signal('SIGSTOP');
    // It waits in the stopped scheduler's socket, which hears it first of all when it goes on.
    expect(await askUnanswered(volume, 111)).toBe('deadline-exceeded');
    await second.until('active', takeoverLimitMs);
    const nudgesBefore = cell.terms.length;
    const { change } = await client.change({ qos: { iopsTotal: 2_000 } });
    await client.until(change.changeId, 'settled');
    first.signal('SIGCONT');
    expect(await first.ended()).toBe(exitLeaseLost);
    expect(await client.volume()).toMatchObject({ generation: 2, settledGeneration: 2, qos: { iopsTotal: 2_000 } });
    const heard = cell.terms.slice(nudgesBefore);
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.every((term) => ownTerm !== undefined && term > ownTerm)).toBe(true);
    await start('standby');
    const gone = await client.delete();
    await client.until(gone.change.changeId, 'settled');
    const events = await cell.eventsToDeletion();
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
    expect(events.filter(({ what }) => what === 'planned')).toHaveLength(3);
  });

  it('the only one answers nobody while its lease is in doubt, and goes on when nobody has taken it', async () => {
    const only = await start('active');
    const volume = await settledVolume();
    const database = await openDatabase(databaseOptions(cell.databaseUrl, schedulerDatabase));
    try {
      await database.manager.transaction(async (manager) => {
        // As a database that does not answer: renewals wait for the row.
        await manager.query('SET LOCAL idle_in_transaction_session_timeout = 0');
        await manager.query('SELECT 1 FROM "service_lease" FOR UPDATE');
        await only.until('none');
        expect(await askUnanswered(volume, 333)).toBe('deadline-exceeded');
      });
    } finally {
      await database.destroy();
    }
    await only.until('active');
    expect(await client.volume()).toEqual(volume);
  });

  it('one that is stopped in the middle of a transaction keeps its successor from nothing, and loses it', async () => {
    const first = await start('active');
    const second = await start('standby');
    const volume = await settledVolume();
    const database = await openDatabase(databaseOptions(cell.databaseUrl, schedulerDatabase));
    try {
      await database.manager.transaction(async (manager) => {
        // The change is written late in its transaction, when that holds its share of the lease.
        await manager.query('LOCK TABLE "change" IN ACCESS EXCLUSIVE MODE');
        expect(await askUnanswered(volume, 222)).toBe('deadline-exceeded');
        await eventually('the decision waits for the table', async () => (await waiting(manager)) > 0);
        first.signal('SIGSTOP');
      });
    } finally {
      await database.destroy();
    }
    await second.until('active', takeoverLimitMs);
    first.signal('SIGCONT');
    expect(await first.ended()).toBe(exitLeaseLost);
    expect(await client.volume()).toEqual(volume);
    const { change } = await client.change({ qos: { iopsTotal: 3_000 } });
    await client.until(change.changeId, 'settled');
    expect(await client.volume()).toMatchObject({ generation: 2, qos: { iopsTotal: 3_000 } });
  });
});

async function waiting(manager: Database['manager']): Promise<number> {
  const rows: unknown =
    await manager.sql`SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND application_name = 'flexbso-scheduler'`;
  return Array.isArray(rows) ? rows.length : 0;
}
