import type { BsoEvent, CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { MemoryDatabase } from '@flexbso/persistence/memory';
import { SteppedClock } from '@flexbso/testkit';
import { beforeEach, expect, it } from 'vitest';
import { InventoryContents, MemoryAgentStore } from './agents/memory-agent-store.js';
import { Inventory } from './inventory.js';
import { FencedBucket } from './snapshots/fenced-bucket.js';
import { MemoryBucket } from './snapshots/memory-bucket.js';
import { aCardRegistration } from './testing/records.js';

const settings = {
  leaseMs: 15_000,
  heartbeatMs: 5_000,
  massSilence: { agents: 2, share: 0.05, holdMs: 60_000 },
  repairMs: 60_000,
};
const name = { role: 'card', id: 'card-1' } as const;
const { sessionId, sessionNumber } = aCardRegistration();
const session = { v: 1 as const, sessionId, sessionNumber };
const allowed = { require: () => undefined, confirm: async () => undefined };

let clock: SteppedClock;
let database: MemoryDatabase<InventoryContents>;
let published: Map<string, CardSnapshot | null>;
let cards: MemoryBucket<CardSnapshot>;
let events: number;
let woken: number;

beforeEach(() => {
  clock = new SteppedClock();
  database = new MemoryDatabase(new InventoryContents());
  published = new Map();
  cards = new MemoryBucket(({ id, snapshot }) => published.set(id, snapshot));
  [events, woken] = [0, 0];
});

/** One process of inventory, as a simulation puts it together. */
async function start(): Promise<Inventory> {
  const store = new MemoryAgentStore(database.connect(), {
    fence: async () => undefined,
    newEventId: () => `event-${(events += 1)}`,
  });
  const inventory = new Inventory(
    {
      store,
      clock,
      cards: new FencedBucket(cards, allowed),
      pools: new FencedBucket(new MemoryBucket<PoolSnapshot>(), allowed),
      relay: { wake: () => (woken += 1) },
      alarms: { warn: () => undefined, error: () => undefined },
      backoffMs: () => 100,
    },
    settings,
  );
  await inventory.start();
  inventory.startJudging();
  return inventory;
}

const told = () => database.contents.takeEvents().map(({ what }: BsoEvent) => what);

it('registers, judges and hears an agent again by a virtual clock alone, and publishes each state', async () => {
  const inventory = await start();
  const reply = await inventory.agents.registerCard('card-1', aCardRegistration());
  expect(reply).toEqual({ accepted: true, leaseMs: 15_000, heartbeatMs: 5_000 });
  await clock.pass(10_000);
  expect(published.get('card-1')).toMatchObject({ state: 'ready', revision: 1 });
  await clock.pass(10_000);
  expect(published.get('card-1')).toMatchObject({ state: 'unreachable', revision: 2 });
  expect(await inventory.agents.heartbeat(name, session)).toEqual({ accepted: true, register: false });
  await clock.pass(1);
  expect(published.get('card-1')).toMatchObject({ state: 'ready', revision: 3 });
  expect([told(), woken]).toEqual([['registered', 'unreachable', 'reachable'], 3]);
  await inventory.stop();
  expect(clock.sleeping).toBe(0);
});

it('takes nobody for silent while it cannot hear', async () => {
  const inventory = await start();
  await inventory.agents.registerCard('card-1', aCardRegistration());
  inventory.deaf('bus');
  inventory.deaf('lease');
  await clock.pass(60_000);
  inventory.hears('bus');
  await clock.pass(60_000);
  expect(told()).toEqual(['registered']);
  inventory.hears('lease');
  await clock.pass(20_000);
  expect(told()).toEqual(['unreachable']);
});

it('publishes what is missing, and removes what nobody registered only after every agent had the time to', async () => {
  const first = await start();
  await first.agents.registerCard('card-1', aCardRegistration());
  await clock.pass(1_000);
  await first.stop();
  const stray = published.get('card-1');
  if (!stray) throw new Error('the card is published');
  await cards.put('card-9', { ...stray, cardId: 'card-9' }, 0);
  await cards.delete('card-1');
  const second = await start();
  await clock.pass(1_000);
  expect([published.get('card-1')?.state, published.get('card-9')?.state]).toEqual(['ready', 'ready']);
  await clock.pass(settings.repairMs);
  expect([published.get('card-1')?.revision, published.get('card-9')]).toEqual([2, null]);
  await second.stop();
});
