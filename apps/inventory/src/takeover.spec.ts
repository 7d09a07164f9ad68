import type { CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { serviceLeaseTimes, ServiceLease } from '@flexbso/persistence/lease';
import { MemoryDatabase, MemoryLeaseStore } from '@flexbso/persistence/memory';
import { SteppedClock } from '@flexbso/testkit';
import { beforeEach, expect, it } from 'vitest';
import { InventoryContents, MemoryAgentStore } from './agents/memory-agent-store.js';
import { Inventory } from './inventory.js';
import { FencedBucket } from './snapshots/fenced-bucket.js';
import { MemoryBucket } from './snapshots/memory-bucket.js';
import { aCardRegistration } from './testing/records.js';

const settings = {
  leaseMs: 60_000,
  heartbeatMs: 20_000,
  massSilence: { agents: 2, share: 0.05, holdMs: 60_000 },
  repairMs: 600_000,
};
const name = { role: 'card', id: 'card-1' } as const;

let clock: SteppedClock;
let database: MemoryDatabase<InventoryContents>;
let published: Map<string, CardSnapshot | null>;
let cards: MemoryBucket<CardSnapshot>;
let lost: string[];

beforeEach(() => {
  clock = new SteppedClock();
  database = new MemoryDatabase(new InventoryContents());
  published = new Map();
  cards = new MemoryBucket(({ id, snapshot }) => published.set(id, snapshot));
  lost = [];
});

/** Time as a process has it that can be stopped: it passes, and wakes nobody until the process goes on. */
class ProcessClock {
  #runs: Promise<void> = Promise.resolve();

  /** @returns lets it go on */
  stop(): () => void {
    const stopped = Promise.withResolvers<void>();
    this.#runs = stopped.promise;
    return stopped.resolve;
  }

  nowMs = () => clock.nowMs();
  monotonicMs = () => clock.monotonicMs();
  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    await clock.sleep(durationMs, signal);
    await this.#runs;
  }
}

/** A process of inventory: waits for the lease, then loads, hears and judges. */
async function start(process: string, ownClock: ProcessClock): Promise<Inventory> {
  const connection = database.connect();
  const row = new MemoryLeaseStore(connection, { name: 'inventory', nowMs: () => clock.nowMs() });
  const lease = await ServiceLease.take(row, {
    name: 'inventory',
    holder: process,
    clock: ownClock,
    onStandby: () => undefined,
    onFailed: () => undefined,
    onLost: () => lost.push(process),
  });
  const permission = { require: () => lease.requireHeld(), confirm: () => lease.confirm() };
  const inventory = new Inventory(
    {
      store: new MemoryAgentStore(connection, { fence: lease.fence, newEventId: () => 'event' }),
      clock: ownClock,
      cards: new FencedBucket(cards, permission),
      pools: new FencedBucket(new MemoryBucket<PoolSnapshot>(), permission),
      relay: { wake: () => undefined },
      alarms: { warn: () => undefined, error: () => undefined },
      backoffMs: () => 100,
    },
    settings,
  );
  await inventory.start();
  inventory.startJudging();
  return inventory;
}

it('an inventory that was stopped past its lease is replaced, and changes and publishes nothing when it goes on', async () => {
  const firstClock = new ProcessClock();
  const first = await start('first', firstClock);
  await first.agents.registerCard('card-1', aCardRegistration());
  await clock.pass(1_000);
  const goOn = firstClock.stop();
  const next = start('second', new ProcessClock());
  await clock.pass(2 * serviceLeaseTimes.leaseMs);
  const second = await next;
  await second.fleet.cordon(name, true, 'alice');
  await clock.pass(1_000);
  expect(published.get('card-1')).toMatchObject({ cordoned: true, revision: 2 });
  goOn();
  await expect(first.fleet.cordon(name, true, 'bob')).rejects.toThrow(/^fenced/);
  await clock.pass(1_000);
  expect(lost).toEqual(['first']);
  expect([second.fleet.get(name).record.cordoned, published.get('card-1')?.revision]).toEqual([true, 2]);
});
