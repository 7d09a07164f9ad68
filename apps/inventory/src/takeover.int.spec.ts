import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CARD_BUCKET,
  type Caller,
  cardSnapshotSchema,
  registerCardSchema,
  registerReplySchema,
  rpc,
  subjects,
} from '@flexbso/contracts';
import { type Bus, connectBus, type Principal, request, RpcClient, snapshotBucket } from '@flexbso/messaging';
import { serviceLeaseTimes } from '@flexbso/persistence';
import {
  eventually,
  type PostgresServer,
  ServiceProcess,
  startNats,
  startPostgres,
  type TestNats,
} from '@flexbso/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCardRegistration } from './testing/records.js';

const mainPath = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** What the runbooks promise: the lease, the standby's poll and its loading, on a busy machine. */
const takeoverLimitMs = 2 * serviceLeaseTimes.leaseMs;
/** EX_TEMPFAIL: start me again. */
const exitLeaseLost = 75;

const inventoryService: Principal = { kind: 'service', name: 'inventory' };
const gateway: Principal = { kind: 'service', name: 'gateway' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const card: Principal = { kind: 'card', id: 'card-1' };
const operator: Caller = { name: 'alice', role: 'operator', tenantId: null };
const deadline = { timeoutMs: 10_000 };
const registration = aCardRegistration();

describe('two inventories on one PostgreSQL', () => {
  let postgres: PostgresServer;
  let nats: TestNats;
  let folder: string;
  let databaseUrl: string;
  let buses: Bus[];
  let processes: ServiceProcess[];

  beforeEach(async () => {
    [buses, processes] = [[], []];
    postgres = await startPostgres();
    databaseUrl = await postgres.createDatabase('inventory');
    nats = await startNats({ principals: [inventoryService, gateway, scheduler, card] });
    folder = await mkdtemp(join(tmpdir(), 'flexbso-inventory-'));
  });
  afterEach(async () => {
    for (const process of processes) await process.kill();
    for (const bus of buses) await bus.close();
    await nats.stop();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(role: 'active' | 'standby'): Promise<ServiceProcess> {
    const file = join(folder, `inventory-${processes.length}.json`);
    const servers = { servers: [nats.url], seedFile: nats.seedFile(inventoryService) };
    const process = await ServiceProcess.start(mainPath, file, { nats: servers, databaseUrl, leaseMs: 60_000 });
    processes.push(process);
    await process.until(role);
    return process;
  }

  async function open(principal: Principal): Promise<Bus> {
    const bus = await connectBus({
      servers: nats.url,
      principal,
      credentials: { seedFile: nats.seedFile(principal) },
    });
    buses.push(bus);
    return bus;
  }

  it('one that is stopped past its lease is replaced, changes nothing when it goes on, and ends', async () => {
    const first = await start('active');
    const second = await start('standby');
    const schemas = { request: registerCardSchema, reply: registerReplySchema };
    await request(await open(card), subjects.up('card', 'card-1', 'register'), schemas, registration, deadline);
    const client = new RpcClient(await open(gateway));
    const asked = { v: 1 as const, caller: operator, cardId: 'card-1' };
    const cordon = (cordoned: boolean, timeoutMs: number) =>
      client.call('inventory', 'cordon-card', rpc.inventory['cordon-card'], { ...asked, cordoned }, { timeoutMs });
    const bucket = await snapshotBucket(await open(scheduler), CARD_BUCKET, cardSnapshotSchema);
    const published = async () => (await bucket.get('card-1'))?.value ?? null;
    await eventually('the card is published', async () => (await published())?.revision === 1);

    first.signal('SIGSTOP');
    // It waits in the stopped inventory's socket, which hears it first of all when it goes on.
    await expect(cordon(true, 500)).rejects.toThrow(/deadline/);
    await second.until('active', takeoverLimitMs);
    await cordon(true, deadline.timeoutMs);
    expect(await cordon(false, deadline.timeoutMs)).toMatchObject({ cordoned: false, revision: 3 });
    await eventually('both are published', async () => (await published())?.revision === 3);
    first.signal('SIGCONT');
    expect(await first.ended()).toBe(exitLeaseLost);
    expect(await client.call('inventory', 'get-card', rpc.inventory['get-card'], asked, deadline)).toMatchObject({
      cordoned: false,
      revision: 3,
    });
    expect(await published()).toMatchObject({ cordoned: false, revision: 3 });
  });

  it('one takes over at once from one that ends', async () => {
    const first = await start('active');
    const second = await start('standby');
    first.signal('SIGTERM');
    expect(await first.ended()).toBe(0);
    await second.until('active', takeoverLimitMs);
  });
});
