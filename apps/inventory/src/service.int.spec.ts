import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BsoEvent,
  CARD_BUCKET,
  type Caller,
  cardSnapshotSchema,
  type CardSnapshot,
  eventSchema,
  heartbeatReplySchema,
  heartbeatSchema,
  POOL_BUCKET,
  type PoolSnapshot,
  poolSnapshotSchema,
  ProblemError,
  registerCardSchema,
  type RegisterCard,
  registerPoolSchema,
  registerReplySchema,
  rpc,
  subjects,
} from '@flexbso/contracts';
import {
  type Bus,
  connectBus,
  type Principal,
  readEvents,
  request,
  RpcClient,
  snapshotBucket,
  type SnapshotBucket,
} from '@flexbso/messaging';
import { eventually, startNats, startPostgres, type TestNats } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { inventoryConfigSchema } from './config.js';
import { type RunningInventory, startInventory } from './service.js';

const inventoryService: Principal = { kind: 'service', name: 'inventory' };
const gateway: Principal = { kind: 'service', name: 'gateway' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const card1: Principal = { kind: 'card', id: 'card-1' };
const card2: Principal = { kind: 'card', id: 'card-2' };
const pool1: Principal = { kind: 'pool', id: 'pool-1' };
const deadline = { timeoutMs: 10_000 };
const operator: Caller = { name: 'alice', role: 'operator', tenantId: null };
const asked = { v: 1, caller: operator } as const;
const sessionIds = ['018f2f60-0000-4000-8000-000000000001', '018f2f60-0000-4000-8000-000000000002'] as const;

const common = {
  v: 1,
  sessionId: sessionIds[0],
  sessionNumber: 1,
  model: 'stand-in',
  agentVersion: '0.1.0',
  hostId: 'host-1',
  failureDomain: { host: 'host-1', rack: 'rack-1' },
  labels: { tier: 'gold' },
  dataPlane: { name: 'memory', version: '1' },
  capabilities: { has: [{ name: 'swap-live', limits: {} }], lacks: [{ name: 'raid5f', reason: 'not built in' }] },
  sealingKey: `X${'A'.repeat(55)}`,
} as const;
const aCard: RegisterCard = registerCardSchema.parse({
  ...common,
  serial: 'MT0001',
  functions: [{ functionId: 'vf-1', kind: 'vf', protocols: ['nbd'] }],
  budget: { iops: 100, bytesPerSecond: 100, memoryBytes: 100, armCentiCores: 800 },
});
const aPool = registerPoolSchema.parse({
  ...common,
  serial: 'MT0001',
  budget: { capacityBytes: 100, iops: 100, bytesPerSecond: 100 },
  reach: 'host',
});
const session = { v: 1 as const, sessionId: aCard.sessionId, sessionNumber: aCard.sessionNumber };

/** What a service that watches a bucket knows. */
interface Snapshots<Snapshot> {
  readonly latest: ReadonlyMap<string, Snapshot>;
  stop(): Promise<void>;
}

function follow<Snapshot>(bucket: SnapshotBucket<Snapshot>): Snapshots<Snapshot> {
  const latest = new Map<string, Snapshot>();
  const watching = new AbortController();
  const watch = async () => {
    for await (const change of bucket.watch(watching.signal)) {
      if (change.type === 'put') latest.set(change.key, change.value);
      if (change.type === 'deleted') latest.delete(change.key);
    }
  };
  const done = watch();
  const stop = async () => {
    watching.abort();
    await done;
  };
  return { latest, stop };
}

async function problemOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'no problem',
    (failure: unknown) => failure,
  );
  return error instanceof ProblemError ? error.code : String(error);
}

describe.each(['sqlite', 'postgres'] as const)('inventory on %s', (kind) => {
  let nats: TestNats;
  let folder: string;
  let postgres: { createDatabase(name: string): Promise<string>; stop(): Promise<void> } | undefined;
  const buses: Bus[] = [];
  let gatewayBus: Bus;
  let card: Bus;
  let otherCard: Bus;
  let pool: Bus;
  let cards: Snapshots<CardSnapshot>;
  let pools: Snapshots<PoolSnapshot>;
  let databaseUrl: string;
  let inventory: RunningInventory;
  let test = 0;

  async function open(principal: Principal): Promise<Bus> {
    const credentials = { seedFile: nats.seedFile(principal) };
    const bus = await connectBus({ servers: nats.url, principal, credentials });
    buses.push(bus);
    return bus;
  }
  function start(leaseMs = 60_000): Promise<RunningInventory> {
    const config = inventoryConfigSchema.parse({
      nats: { servers: [nats.url], seedFile: nats.seedFile(inventoryService) },
      databaseUrl,
      health: { port: 0 },
      leaseMs,
      heartbeatMs: leaseMs / 3,
    });
    return startInventory(config, async () => '');
  }
  const registerCard = (bus = card, registration = aCard, id = 'card-1') =>
    request(
      bus,
      subjects.up('card', id, 'register'),
      { request: registerCardSchema, reply: registerReplySchema },
      registration,
      deadline,
    );
  const registerPool = () =>
    request(
      pool,
      subjects.up('pool', 'pool-1', 'register'),
      { request: registerPoolSchema, reply: registerReplySchema },
      aPool,
      deadline,
    );
  const heartbeat = (from = session) =>
    request(
      card,
      subjects.up('card', 'card-1', 'heartbeat'),
      { request: heartbeatSchema, reply: heartbeatReplySchema },
      from,
      deadline,
    );
  const getCard = () =>
    new RpcClient(gatewayBus).call(
      'inventory',
      'get-card',
      rpc.inventory['get-card'],
      { ...asked, cardId: 'card-1' },
      deadline,
    );
  const cordonCard = (cordoned: boolean) =>
    new RpcClient(gatewayBus).call(
      'inventory',
      'cordon-card',
      rpc.inventory['cordon-card'],
      { ...asked, cardId: 'card-1', cordoned },
      deadline,
    );
  const published = () => cards.latest.get('card-1');

  /** The events since the test began, once one fits; each is parsed by its schema. */
  async function eventsUntil(what: string): Promise<BsoEvent[]> {
    const found: BsoEvent[] = [];
    const reading = new AbortController();
    const timer = setTimeout(() => reading.abort(), 15_000);
    for await (const { payload } of readEvents(gatewayBus, {
      schema: eventSchema,
      signal: reading.signal,
      fromSequence: 1,
    })) {
      found.push(payload);
      if (payload.what === what) break;
    }
    clearTimeout(timer);
    reading.abort();
    return found;
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flexbso-inventory-'));
    if (kind === 'postgres') postgres = await startPostgres();
  });
  afterAll(async () => {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    test += 1;
    databaseUrl = postgres ? await postgres.createDatabase(`inventory_${test}`) : `sqlite://${folder}/${test}.db`;
    nats = await startNats({ principals: [inventoryService, gateway, scheduler, card1, card2, pool1] });
    gatewayBus = await open(gateway);
    card = await open(card1);
    otherCard = await open(card2);
    pool = await open(pool1);
    inventory = await start();
    const reader = await open(scheduler);
    cards = follow(await snapshotBucket(reader, CARD_BUCKET, cardSnapshotSchema));
    pools = follow(await snapshotBucket(reader, POOL_BUCKET, poolSnapshotSchema));
  });
  afterEach(async () => {
    await inventory.stop();
    await Promise.all([cards.stop(), pools.stop()]);
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await nats.stop();
  });

  it('registers cards and pools, publishes their snapshots and tells of them', async () => {
    expect(await registerCard()).toEqual({ accepted: true, leaseMs: 60_000, heartbeatMs: 20_000 });
    await registerPool();
    await eventually('the card is published', () => published()?.revision === 1);
    expect(published()).toMatchObject({
      ...aCard,
      cardId: 'card-1',
      state: 'ready',
      cordoned: false,
      unreachableSinceMs: null,
    });
    await eventually('the pool is published', () => pools.latest.get('pool-1')?.reach === 'host');
    const [event] = await eventsUntil('registered');
    expect(event).toMatchObject({ kind: 'card', id: 'card-1', by: 'card-1', data: { first: true, revision: 1 } });
  });

  it('takes the same registration twice, and a heartbeat, as no change', async () => {
    await registerCard();
    await registerCard();
    expect(await heartbeat()).toEqual({ accepted: true, register: false });
    expect((await getCard()).revision).toBe(1);
  });

  it('fences an older session, and asks an unknown one to register', async () => {
    expect(await heartbeat()).toEqual({ accepted: false, register: true });
    await registerCard(card, { ...aCard, sessionId: sessionIds[1], sessionNumber: 2 });
    expect(await problemOf(registerCard())).toBe('fenced');
    expect(await problemOf(heartbeat())).toBe('fenced');
    expect((await getCard()).sessionNumber).toBe(2);
  });

  it('refuses a serial that another card has', async () => {
    await registerCard();
    expect(await problemOf(registerCard(otherCard, aCard, 'card-2'))).toBe('name-taken');
  });

  it('cordons and uncordons, and tells who asked', async () => {
    await registerCard();
    expect(await cordonCard(true)).toMatchObject({ cordoned: true, revision: 2 });
    expect(await cordonCard(true)).toMatchObject({ cordoned: true, revision: 2 });
    await eventually('the cordon is published', () => published()?.cordoned === true);
    await cordonCard(false);
    expect((await eventsUntil('uncordoned')).map(({ what, by }) => `${what} by ${by}`)).toEqual([
      'registered by card-1',
      'cordoned by alice',
      'uncordoned by alice',
    ]);
  });

  it('quarantines whom a service names or who changed its key, shows why over a restart, and releases it', async () => {
    await registerCard();
    const schema = rpc.inventory['quarantine-agent'];
    const asScheduler = new RpcClient(await open(scheduler));
    const seen = { v: 1, by: 'scheduler', role: 'card', id: 'card-1', reason: 'it lied' } as const;
    await asScheduler.call('inventory', 'quarantine-agent', schema, seen, deadline);
    await eventually('the reason is published', () => published()?.quarantineReason === 'it lied');
    const sealingKey = `X${'B'.repeat(55)}`;
    await registerCard(card, { ...aCard, sealingKey });
    await inventory.stop();
    inventory = await start();
    expect(await getCard()).toMatchObject({ state: 'quarantined', sealingKey: aCard.sealingKey });
    expect((await getCard()).quarantineReason).toMatch(/^it lied; its sealing key changed/);
    const release = rpc.inventory['release-card'];
    const payload = { ...asked, cardId: 'card-1' };
    const client = new RpcClient(gatewayBus);
    await client.call('inventory', 'release-card', release, payload, deadline);
    await eventually('the new key is published', () => published()?.sealingKey === sealingKey);
    expect(published()).toMatchObject({ state: 'ready', quarantineReason: null });
    expect((await eventsUntil('released')).at(-1)?.by).toBe('alice');
  });

  it('finds an agent unreachable when its lease is over, and back when it is heard', async () => {
    await registerCard();
    await inventory.stop();
    inventory = await start(300);
    await eventually('the card is unreachable', () => published()?.state === 'unreachable');
    expect(published()?.unreachableSinceMs).toBe(published()?.lastHeardAtMs);
    await heartbeat();
    await eventually('the card is back', async () => (await eventsUntil('reachable')).length > 0);
  });

  it('keeps everything over a restart', async () => {
    await registerCard();
    const before = await cordonCard(true);
    await inventory.stop();
    inventory = await start();
    expect(await getCard()).toEqual(before);
    expect(await heartbeat()).toEqual({ accepted: true, register: false });
  });

  it('publishes again what was lost from the snapshots', async () => {
    await registerCard();
    await eventually('the card is published', () => published() !== undefined);
    await inventory.stop();
    const bus = await open(inventoryService);
    await (await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema)).delete('card-1');
    await eventually('the snapshot is gone', () => published() === undefined);
    bus.connection.publish(`$KV.${CARD_BUCKET}.card-2`, 'not a snapshot');
    await bus.flush();
    inventory = await start();
    await eventually('the card is published again', () => published() !== undefined);
    expect(published()?.revision).toBe(1);
  });

  it('lists by labels, page by page', async () => {
    await registerCard();
    await registerCard(otherCard, { ...aCard, serial: 'MT0002', labels: { tier: 'iron' } }, 'card-2');
    const client = new RpcClient(gatewayBus);
    const list = (page: object) =>
      client.call('inventory', 'list-cards', rpc.inventory['list-cards'], { ...asked, ...page }, deadline);
    const first = await list({ pageSize: 1 });
    const second = await list({ pageSize: 1, pageToken: first.nextPageToken });
    expect([...first.items, ...second.items].map(({ cardId }) => cardId)).toEqual(['card-1', 'card-2']);
    expect(second.nextPageToken).toBeNull();
    expect((await list({ labels: { tier: 'iron' } })).items.map(({ cardId }) => cardId)).toEqual(['card-2']);
  });

  it('refuses what fits no schema and what it does not know, changes nothing, and lives on', async () => {
    await registerCard();
    const anything = { request: z.unknown(), reply: z.unknown() };
    const send = (payload: unknown) =>
      request(card, subjects.up('card', 'card-1', 'register'), anything, payload, deadline);
    expect(await problemOf(send({ ...aCard, surprise: true }))).toBe('invalid-request');
    expect(await problemOf(send({ ...aCard, budget: { ...aCard.budget, iops: -1 } }))).toBe('invalid-request');
    expect(await problemOf(send(null))).toBe('invalid-request');
    card.connection.publish(subjects.up('card', 'card-1', 'heartbeat'), 'not JSON');
    const unknown = { ...asked, cardId: 'card-9' };
    const client = new RpcClient(gatewayBus);
    expect(await problemOf(client.call('inventory', 'get-card', rpc.inventory['get-card'], unknown, deadline))).toBe(
      'not-found',
    );
    expect((await getCard()).revision).toBe(1);
  });

  it('cannot be told anything in the name of another card', async () => {
    await registerCard();
    card.connection.publish(subjects.up('card', 'card-2', 'register'), JSON.stringify(aCard));
    await card.flush();
    const unknown = { ...asked, cardId: 'card-2' };
    const client = new RpcClient(gatewayBus);
    expect(await problemOf(client.call('inventory', 'get-card', rpc.inventory['get-card'], unknown, deadline))).toBe(
      'not-found',
    );
  });

  it('quarantines an agent that wants its answer to go elsewhere', async () => {
    await registerCard();
    const reply = '_INBOX.service.scheduler.stolen';
    card.connection.publish(subjects.up('card', 'card-1', 'heartbeat'), JSON.stringify(session), { reply });
    await eventually('the card is quarantined', () => published()?.state === 'quarantined');
    expect((await eventsUntil('quarantined')).at(-1)?.data['reason']).toContain(reply);
  });

  it('ends though the bus is away, and has kept everything when it is back', async () => {
    await registerCard();
    await nats.pause();
    await inventory.stop();
    await nats.resume();
    inventory = await start();
    gatewayBus = await open(gateway);
    expect((await getCard()).revision).toBe(1);
    expect((await eventsUntil('registered')).at(-1)).toMatchObject({ id: 'card-1' });
  });

  it('says that it is ready, and that it is not when the bus is away', async () => {
    expect((await fetch(`${inventory.healthUrl}/readyz`)).status).toBe(200);
    await nats.pause();
    await eventually('it is not ready', async () => (await fetch(`${inventory.healthUrl}/readyz`)).status === 503);
    await nats.resume();
    await eventually('it is ready again', async () => (await fetch(`${inventory.healthUrl}/readyz`)).status === 200);
  });
});
