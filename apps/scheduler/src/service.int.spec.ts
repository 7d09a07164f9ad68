import { chmod, cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { subjects } from '@flexbso/contracts';
import { createSealingKey, open } from '@flexbso/messaging';
import { eventually, type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BusCell, codeOf, type SchedulerClient, sendRaw } from './testing/bus-cell.js';
import { failWith, serve } from './testing/fake-agents.js';
import { encrypted } from './testing/fixtures.js';

let postgres: PostgresServer;
let cell: BusCell;
let client: SchedulerClient;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());
afterEach(() => cell.stop());

async function begin(url?: string): Promise<void> {
  cell = await BusCell.start(url);
  client = await cell.client();
}

const databaseUrls: Record<string, () => Promise<string | undefined>> = {
  SQLite: async () => undefined,
  PostgreSQL: () => postgres.createDatabase(`service_${(databases += 1)}`),
};

describe.each(Object.keys(databaseUrls))('the scheduler on a real bus and %s', (name) => {
  it('makes, changes, moves and deletes a volume by nudges alone', async () => {
    await begin(await databaseUrls[name]?.());
    const { change, volume } = await client.create({ placement: { poolIds: ['pool-1'] } });
    await client.until(change.changeId, 'settled');
    expect(await client.volume()).toMatchObject({ state: 'ready', settledGeneration: 1, volumeId: volume.volumeId });
    const limits = await client.change({ qos: { iopsTotal: 1000 } });
    await client.until(limits.change.changeId, 'settled');
    const move = await client.change({ placement: { poolIds: ['pool-2'] } });
    await client.until(move.change.changeId, 'settled');
    expect((await client.volume()).legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
    expect(await cell.service?.scheduler.checkReservations()).toEqual([]);
    const gone = await client.delete();
    await client.until(gone.change.changeId, 'settled');
    expect(await codeOf(client.volume())).toBe('not-found');
    const events = await cell.eventsToDeletion();
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
    expect(events.filter(({ kind }) => kind === 'volume').map(({ what }) => what)).toEqual([
      'created',
      'changed',
      'changed',
      'changed',
      'deleted',
    ]);
    expect(events.filter(({ id }) => id === move.change.changeId).map(({ what }) => what)).toEqual([
      'planned',
      'applying',
      'applied',
      'settled',
    ]);
    expect(cell.nudges).toBeGreaterThan(0);
  });

  it('goes on after a restart in the middle, and undoes what a card could not do', async () => {
    await begin(await databaseUrls[name]?.());
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await client.create({ placement: { poolIds: ['pool-1'] } });
    expect((await client.changeNow(change.changeId)).waitingFor).toMatch(/^pool pool-1 to make leg-/);
    for (const pool of cell.pools) pool.isAway = false;
    // Nothing but the nudges of the start wakes the pools.
    await cell.restartService();
    await client.until(change.changeId, 'settled');
    for (const card of cell.cards)
      card.play = failWith({ code: 'data-plane-failed', detail: 'the copy met a read error' });
    const move = await client.change({ placement: { poolIds: ['pool-2'] } });
    expect((await client.until(move.change.changeId, 'undone', 'refused')).state).toBe('undone');
    await cell.restartService();
    expect(await client.volume()).toMatchObject({ state: 'ready', generation: 3, settledGeneration: 3 });
    expect((await client.volume()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1']);
    expect(await cell.service?.scheduler.checkReservations()).toEqual([]);
  });
});

describe('volume keys', () => {
  it('reach the card that they are sealed to, and are nowhere in clear', async () => {
    await begin();
    const { change, volume } = await client.create({ stack: { layers: [...encrypted.layers] } });
    await client.until(change.changeId, 'settled');
    const item = cell.cards.find(({ id }) => id === volume.cardId)?.items.get(volume.volumeId);
    const sealed = item?.stack.encryptionKey?.sealedKey;
    if (!sealed) throw new Error('the card was given no key');
    const key = Buffer.from(open(sealed, sealed.from, cell.sealingKey.seed));
    expect(key.length).toBe(32);
    const gone = await client.delete();
    await client.until(gone.change.changeId, 'settled');
    const written = [
      JSON.stringify(await cell.eventsToDeletion()),
      ...(await textsUnder(cell.folder)),
      ...(await textsUnder(join(cell.nats.seedFile({ kind: 'service', name: 'scheduler' }), '../..'))),
    ];
    for (const spelling of [
      key.toString('latin1'),
      key.toString('hex'),
      key.toString('base64'),
      key.toString('base64url'),
    ]) {
      expect(written.some((text) => text.includes(spelling))).toBe(false);
    }
  });

  it('are sealed again for a card whose other sealing key an operator has consented to', async () => {
    await begin();
    const { change, volume } = await client.create({ stack: { layers: [...encrypted.layers] } });
    await client.until(change.changeId, 'settled');
    const { seed, publicKey } = createSealingKey();
    await cell.publishCard(volume.cardId, publicKey);
    const sealedNow = () =>
      cell.cards.find(({ id }) => id === volume.cardId)?.items.get(volume.volumeId)?.stack.encryptionKey?.sealedKey;
    const first = sealedNow();
    await eventually('the card is given its key anew', () => sealedNow()?.sealed !== first?.sealed);
    const [before, after] = [first, sealedNow()];
    if (!before || !after) throw new Error('the card was given no key');
    expect(open(after, after.from, seed)).toEqual(open(before, before.from, cell.sealingKey.seed));
    expect(await client.volume()).toMatchObject({ state: 'ready', settledGeneration: 1 });
  });

  it('are wrapped under a file that only its owner may read', async () => {
    await begin();
    const keyFile = join(cell.folder, 'wrap.key');
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    await chmod(keyFile, 0o640);
    await expect(cell.restartService()).rejects.toThrow(/chmod 600/);
    await chmod(keyFile, 0o600);
    await writeFile(keyFile, '{}');
    await expect(cell.startService()).rejects.toThrow(/is not a key file/);
  });
});

async function textsUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')));
}

describe('bad input on the bus', () => {
  it('is refused with a clear problem, changes nothing, and the service lives', async () => {
    await begin();
    const bus = await cell.bus({ kind: 'service', name: 'gateway' });
    const caller = { name: 'alice', role: 'operator', tenantId: null };
    const spec = { name: 'vol-a', sizeBytes: -1, protocol: 'nbd' };
    expect(await codeOf(sendRaw(bus, 'create-volume', { v: 1, caller, idempotencyKey: 'x', spec }))).toBe(
      'invalid-request',
    );
    expect(
      await codeOf(
        sendRaw(bus, 'create-volume', {
          v: 1,
          caller,
          idempotencyKey: 'x',
          spec: { ...spec, sizeBytes: 1024 ** 3, colour: 'red' },
        }),
      ),
    ).toBe('invalid-request');
    expect(await codeOf(sendRaw(bus, 'get-volume', 'nonsense'))).toBe('invalid-request');
    expect(await codeOf(client.create({ stack: { layers: [{ kind: 'encryption' }, { kind: 'compression' }] } }))).toBe(
      'invalid-stack',
    );
    expect(await codeOf(client.volume())).toBe('not-found');
    for (const pool of cell.pools) pool.play = serve;
    const { change } = await client.create();
    await client.until(change.changeId, 'settled');
  });
});

describe('a start', () => {
  it('is ready not before it answers', async () => {
    await begin();
    const { healthUrl } = cell.service ?? {};
    if (healthUrl === undefined) throw new Error('the service runs');
    await cell.service?.stop();
    const starting = cell.startService({}, Number(new URL(healthUrl).port));
    const readiness = async () => (await fetch(new URL('/readyz', healthUrl)).catch(() => null))?.status ?? 0;
    const seen: number[] = [];
    await eventually('it says that it is ready', async () => seen.push(await readiness()) > 0 && seen.at(-1) === 200);
    const whenReady = await codeOf(client.volume());
    await starting;
    expect([seen.includes(503), whenReady, await readiness()]).toEqual([true, 'not-found', 200]);
  });

  it('waits for a bus that is away, and goes on when it is back', async () => {
    await begin();
    await cell.service?.stop();
    await cell.nats.pause();
    const starting = cell.startService();
    await cell.nats.resume();
    await starting;
    await cell.reconnected();
    expect(await codeOf(client.volume())).toBe('not-found');
  });
});

const incarnation = () => cell.service?.scheduler.incarnation;

describe('a database that was restored', () => {
  it('speaks as another incarnation, and keeps to it', async () => {
    await begin();
    const database = join(cell.folder, 'scheduler.db');
    const { change, volume } = await client.create({ placement: { poolIds: ['pool-1'] } });
    await client.until(change.changeId, 'settled');
    const followed = incarnation();
    await cell.service?.stop();
    await cp(database, `${database}.copy`);
    await cell.startService();
    expect(incarnation()).toBe(followed);
    const limits = await client.change({ qos: { iopsTotal: 1000 } });
    await client.until(limits.change.changeId, 'settled');
    await cell.service?.stop();
    for (const suffix of ['', '-wal', '-shm']) await rm(`${database}${suffix}`, { force: true });
    await cp(`${database}.copy`, database);
    await cell.startService();
    const restored = incarnation();
    expect(restored).not.toBe(followed);
    const card = cell.cards.find(({ id }) => id === volume.cardId);
    await card?.catchUp();
    expect([card?.isDiverged, card?.incarnation]).toEqual([true, followed]);
    await cell.restartService();
    expect(incarnation()).toBe(restored);
  });

  it('gets another incarnation when it is asked for', async () => {
    await begin();
    const followed = incarnation();
    await cell.service?.stop();
    await cell.startService({ newIncarnation: true });
    expect(incarnation()).not.toBe(followed);
  });
});

describe('an agent that was replaced', () => {
  it('is fenced off on the bus', async () => {
    await begin();
    const [card] = cell.cards;
    if (!card) throw new Error('the cell has cards');
    card.sessionNumber = 2;
    await card.catchUp();
    card.sessionNumber = 1;
    card.sessionId = '018f2f60-0000-4000-8000-000000000099';
    expect(await codeOf(card.catchUp())).toBe('fenced');
  });
});

describe('an agent that wants its answer to go elsewhere', () => {
  it('is named to inventory, which quarantines it, and gets no answer', async () => {
    await begin();
    const inventory = await cell.bus({ kind: 'service', name: 'inventory' });
    const told: unknown[] = [];
    inventory.connection.subscribe(subjects.rpc('inventory', 'quarantine-agent'), {
      callback: (_error, message) => void told.push(message.json()),
    });
    await inventory.flush();
    const card = await cell.bus({ kind: 'card', id: 'card-1' });
    card.connection.publish(subjects.up('card', 'card-1', 'desired'), '{}', { reply: 'bso.card.card-2.down.nudge' });
    await eventually('inventory is told', () => told.length > 0);
    expect(told[0]).toMatchObject({ v: 1, by: 'scheduler', role: 'card', id: 'card-1' });
    expect(JSON.stringify(told[0])).toContain('bso.card.card-2.down.nudge');
  });
});

describe('a bus that is away', () => {
  it('loses no event: the outbox is published when it is back', async () => {
    await begin();
    const { change } = await client.create();
    await client.until(change.changeId, 'settled');
    await cell.nats.pause();
    await cell.nats.resume();
    await cell.reconnected();
    await eventually('the service answers again', async () => (await codeOf(client.volume())) === null);
    const gone = await client.delete();
    await eventually('the agents are back', async () => {
      for (const agent of [...cell.cards, ...cell.pools]) await agent.catchUp();
      return (await client.changeNow(gone.change.changeId)).state === 'settled';
    });
    expect((await cell.eventsToDeletion()).filter(({ kind }) => kind === 'volume').map(({ what }) => what)).toEqual([
      'created',
      'changed',
      'deleted',
    ]);
  });
});
