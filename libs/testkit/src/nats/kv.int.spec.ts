import { connectBus, type Principal } from '@flexbso/messaging/agent';
import { snapshotBucket, type Bus, type SnapshotBucket, type SnapshotChange } from '@flexbso/messaging';
import { CARD_BUCKET } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../eventually.js';
import { startNats, type TestNats } from './start-nats.js';

const snapshotSchema = z.strictObject({ model: z.string() });
type Snapshot = z.infer<typeof snapshotSchema>;
const inventory: Principal = { kind: 'service', name: 'inventory' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };

describe('snapshots', () => {
  let nats: TestNats;
  let inventoryBus: Bus;
  let schedulerBus: Bus;
  let writer: SnapshotBucket<Snapshot>;
  let reader: SnapshotBucket<Snapshot>;
  const open = (principal: Principal) =>
    connectBus({ servers: nats.url, principal, credentials: { seedFile: nats.seedFile(principal) } });

  beforeAll(async () => {
    nats = await startNats({ principals: [inventory, scheduler] });
    [inventoryBus, schedulerBus] = await Promise.all([open(inventory), open(scheduler)]);
    // The reader may be first.
    reader = await snapshotBucket(schedulerBus, CARD_BUCKET, snapshotSchema);
    writer = await snapshotBucket(inventoryBus, CARD_BUCKET, snapshotSchema);
  });

  afterAll(async () => {
    await inventoryBus?.close();
    await schedulerBus?.close();
    await nats?.stop();
  });

  const watch = (bucket: SnapshotBucket<Snapshot>) => {
    const stop = new AbortController();
    const changes: SnapshotChange<Snapshot>[] = [];
    const done = (async () => {
      for await (const change of bucket.watch(stop.signal)) changes.push(change);
    })();
    const end = async () => {
      stop.abort();
      await done;
    };
    return { changes, end };
  };

  it('tells a watcher of an empty bucket at once that it knows everything', async () => {
    const { changes, end } = watch(reader);
    await eventually('it is ready', () => changes.length === 1);
    expect(changes).toEqual([{ type: 'ready' }]);
    await end();
  });

  it('tells first what is there, then that this was all, then every change', async () => {
    const a = await writer.put('card-a', { model: 'one' });
    const b = await writer.put('card-b', { model: 'two' });
    await writer.delete('card-b');
    const { changes, end } = watch(reader);
    await eventually('it is ready', () => changes.some(({ type }) => type === 'ready'));
    expect(changes).toEqual([
      { type: 'put', key: 'card-a', value: { model: 'one' }, revision: a, initial: true },
      { type: 'deleted', key: 'card-b', revision: b + 1, initial: true },
      { type: 'ready' },
    ]);
    const again = await writer.put('card-a', { model: 'three' });
    await eventually('the change is told', () => changes.length === 4);
    expect(changes[3]).toEqual({
      type: 'put',
      key: 'card-a',
      value: { model: 'three' },
      revision: again,
      initial: false,
    });
    await end();
  });

  it('reads one, and nothing where nothing is', async () => {
    const revision = await writer.put('card-c', { model: 'four' });
    await expect(reader.get('card-c')).resolves.toEqual({ value: { model: 'four' }, revision });
    await expect(reader.get('card-b')).resolves.toBeNull();
    await expect(reader.get('never')).resolves.toBeNull();
  });

  it('writes only on the revision that was read, when asked so', async () => {
    const revision = await writer.put('card-d', { model: 'five' });
    await writer.put('card-d', { model: 'six' }, { previousRevision: revision });
    await expect(writer.put('card-d', { model: 'seven' }, { previousRevision: revision })).rejects.toThrow(
      /written by somebody else/,
    );
  });

  it('tells what fits no schema apart, and keeps watching', async () => {
    const loose = await snapshotBucket(inventoryBus, CARD_BUCKET, z.unknown());
    const { changes, end } = watch(reader);
    await eventually('it is ready', () => changes.some(({ type }) => type === 'ready'));
    await loose.put('card-e', { wrong: true });
    await writer.put('card-f', { model: 'eight' });
    await eventually('both are told', () => changes.at(-1)?.type === 'put' && changes.at(-2)?.type === 'invalid');
    expect(changes.at(-2)).toMatchObject({ type: 'invalid', key: 'card-e', error: { code: 'invalid-request' } });
    await end();
  });

  it('refuses to store what fits no schema, and lets no reader write', async () => {
    await expect(writer.put('card-g', JSON.parse('{"wrong":1}'))).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(reader.put('card-g', { model: 'nine' })).rejects.toThrow(/permission/i);
  });

  it('goes on telling after the server was killed and came back', async () => {
    const { changes, end } = watch(reader);
    await eventually('it is ready', () => changes.some(({ type }) => type === 'ready'));
    await nats.pause();
    await nats.resume();
    await eventually('the bus is back', async () => {
      try {
        await writer.put('card-h', { model: 'ten' });
        return true;
      } catch {
        return false;
      }
    });
    const told = () => changes.some((one) => one.type === 'put' && one.key === 'card-h');
    await eventually('the change is told', told, 40_000);
    await end();
    expect(changes.filter(({ type }) => type === 'invalid').map((one) => 'key' in one && one.key)).not.toContain(
      'card-h',
    );
  });
});
