import type { CardSnapshot } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CardRecord, cardSnapshotOf, keyOf } from '../agents/agent-record.js';
import type { KeptAgent } from '../agents/agent-store.js';
import { systemClock } from '../ports.js';
import { aKeptCard } from '../testing/records.js';
import { type SnapshotBucket, SnapshotPublisher } from './snapshot-publisher.js';

/** A bucket in memory that fails when told to. */
class Bucket<Snapshot> implements SnapshotBucket<Snapshot> {
  readonly entries = new Map<string, Snapshot | null>();
  failures = 0;
  puts = 0;

  async put(id: string, snapshot: Snapshot): Promise<void> {
    this.puts += 1;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('no leader');
    }
    this.entries.set(id, snapshot);
  }
  async remove(id: string): Promise<void> {
    this.entries.delete(id);
  }
  async all(): Promise<ReadonlyMap<string, Snapshot | null>> {
    return this.entries;
  }
}

const never = new AbortController().signal;
let fleet: Map<string, KeptAgent>;
let cards: Bucket<CardSnapshot>;
let repaired: [number, number][];
let publisher: SnapshotPublisher;

function keep(id: string, revision: number): CardRecord {
  const { record, lastHeardAtMs } = aKeptCard(id, { revision });
  if (record.role !== 'card') throw new Error('a card was made');
  fleet.set(keyOf(record), { record, lastHeardAtMs });
  return record;
}

beforeEach(() => {
  fleet = new Map();
  cards = new Bucket();
  repaired = [];
  publisher = new SnapshotPublisher({
    cards,
    pools: new Bucket(),
    find: (name) => fleet.get(keyOf(name)),
    all: () => [...fleet.values()],
    clock: systemClock,
    backoffMs: () => 0,
    onFailed: () => undefined,
    onRepaired: (published, removed) => repaired.push([published, removed]),
  });
});

describe('publishing', () => {
  it('puts what changed, and only the newest of it', async () => {
    publisher.changed(keep('card-1', 1));
    publisher.changed(keep('card-1', 2));
    publisher.start();
    await publisher.stop();
    expect([cards.puts, cards.entries.get('card-1')?.revision]).toEqual([1, 2]);
  });

  it('tries again until it is taken', async () => {
    const published = Promise.withResolvers<void>();
    const put = cards.put.bind(cards);
    cards.put = async (id, snapshot) => {
      await put(id, snapshot);
      published.resolve();
    };
    cards.failures = 3;
    publisher.start();
    publisher.changed(keep('card-1', 1));
    await published.promise;
    await publisher.stop();
    expect([cards.puts, publisher.waiting]).toEqual([4, 0]);
  });

  it('ends though nothing is taken', async () => {
    cards.failures = Number.POSITIVE_INFINITY;
    publisher.changed(keep('card-1', 1));
    publisher.start();
    await publisher.stop();
    expect(publisher.waiting).toBe(1);
  });
});

describe('repair', () => {
  it('publishes what is missing, unreadable or another revision, and leaves the rest', async () => {
    for (const id of ['missing', 'unreadable', 'older', 'same']) keep(id, 2);
    const older = keep('older', 2);
    cards.entries.set('unreadable', null);
    cards.entries.set('older', cardSnapshotOf({ ...older, revision: 1 }, 1));
    // When it was heard last changes without a revision.
    cards.entries.set('same', cardSnapshotOf(keep('same', 2), 999));
    await publisher.repair(false, never);
    expect([publisher.waiting, repaired]).toEqual([3, [[3, 0]]]);
  });

  it('removes what nobody registered, but only when told to', async () => {
    cards.entries.set('stray', cardSnapshotOf(keep('stray', 1), 1));
    fleet.clear();
    await publisher.repair(false, never);
    expect(cards.entries.size).toBe(1);
    await publisher.repair(true, never);
    expect([cards.entries.size, repaired]).toEqual([0, [[0, 1]]]);
  });
});
