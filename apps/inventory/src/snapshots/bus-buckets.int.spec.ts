import { ProblemError } from '@flexbso/contracts';
import { type Bus, connectBus, type Principal, type SnapshotBucket, snapshotBucket } from '@flexbso/messaging';
import { startNats, type TestNats } from '@flexbso/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FencedBucket, type Permission } from './bus-buckets.js';

const inventory: Principal = { kind: 'service', name: 'inventory' };
const schema = z.strictObject({ state: z.string() });
type State = z.infer<typeof schema>;

const holder: Permission = { require: () => undefined, confirm: async () => undefined };
/** Stopped between its look at the clock and its write: it believes, and the database knows better. */
const replaced: Permission = {
  require: () => undefined,
  confirm: () => Promise.reject(new ProblemError({ code: 'fenced', detail: 'another process has taken it over' })),
};
const expired: Permission = {
  ...holder,
  require: () => {
    throw new ProblemError({ code: 'fenced', detail: 'the lease is over' });
  },
};

describe('the snapshots of a fleet', () => {
  let nats: TestNats;
  let bus: Bus;
  let bucket: SnapshotBucket<State>;
  const never = new AbortController().signal;
  const published = async () => (await bucket.get('card-1'))?.value.state ?? null;

  beforeAll(async () => {
    nats = await startNats({ principals: [inventory] });
    bus = await connectBus({
      servers: nats.url,
      principal: inventory,
      credentials: { seedFile: nats.seedFile(inventory) },
    });
    bucket = await snapshotBucket(bus, 'cards', schema);
  });
  afterAll(async () => {
    await bus.close();
    await nats.stop();
  });
  beforeEach(() => bucket.delete('card-1'));

  it('are not set back by an inventory that was replaced', async () => {
    const old = new FencedBucket(bucket, replaced);
    await old.all(never);
    await new FencedBucket(bucket, holder).put('card-1', { state: 'new' });
    await expect(old.put('card-1', { state: 'stale' })).rejects.toThrow(/^fenced/);
    expect(await published()).toBe('new');
  });

  it('are written over by the one that holds the lease, where the one before was quicker', async () => {
    const next = new FencedBucket(bucket, holder);
    await next.all(never);
    await new FencedBucket(bucket, holder).put('card-1', { state: 'stale' });
    await next.put('card-1', { state: 'new' });
    await next.put('card-1', { state: 'newer' });
    expect(await published()).toBe('newer');
  });

  it('come back after they were removed', async () => {
    const own = new FencedBucket(bucket, holder);
    await own.put('card-1', { state: 'first' });
    await own.remove('card-1');
    expect(await published()).toBeNull();
    await own.put('card-1', { state: 'second' });
    expect(await published()).toBe('second');
  });

  it('are published by nobody without the lease', async () => {
    await expect(new FencedBucket(bucket, expired).put('card-1', { state: 'x' })).rejects.toThrow(/^fenced/);
    expect(await published()).toBeNull();
  });
});
