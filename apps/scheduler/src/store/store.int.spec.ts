import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProblemError } from '@flexbso/contracts';
import { type Database, databaseOptions, openDatabase, OutboxRow } from '@flexbso/persistence';
import { type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pruneChanges } from '../persistence/change-pruning.js';
import { schedulerDatabase, TypeormStore } from '../persistence/typeorm-store.js';
import {
  aChangeRecord,
  aDesiredCardEntry,
  aKeyRecord,
  aLegRecord,
  anAgentRecord,
  anEvent,
  aReservationRecord,
  aVolumeRecord,
} from '../testing/records.js';
import { MemoryStore } from './memory-store.js';
import type { SchedulerStore } from './store.js';

let postgres: PostgresServer;
let folder: string;
let database: Database | null = null;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'flexbso-scheduler-store-'));
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await database?.destroy();
  database = null;
});

async function opened(url: string): Promise<SchedulerStore> {
  database = await openDatabase(databaseOptions(url, schedulerDatabase));
  return new TypeormStore(database, async () => undefined);
}

const stores: Record<string, () => Promise<SchedulerStore>> = {
  memory: async () => new MemoryStore('018f2f60-0000-4000-8000-0000000000ff'),
  SQLite: () => opened(`sqlite://${join(folder, `store-${(databases += 1)}.db`)}`),
  PostgreSQL: async () => opened(await postgres.createDatabase(`store_${(databases += 1)}`)),
};

/** What was committed to be published, and under which message ids. */
async function committedEvents(store: SchedulerStore): Promise<{ messageId: string; payload: unknown }[]> {
  if (store instanceof MemoryStore)
    return store.takeEvents().map((payload) => ({ messageId: payload.eventId, payload }));
  const rows = (await database?.manager.find(OutboxRow)) ?? [];
  return rows.map(({ messageId, payload }) => ({ messageId, payload }));
}

describe.each(Object.keys(stores))('the store on %s', (name) => {
  let store: SchedulerStore;
  beforeEach(async () => {
    const make = stores[name];
    if (!make) throw new Error(`there is no store ${name}`);
    store = await make();
  });

  it('gives every record back as it was written, and replaces it as a whole', async () => {
    await store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.putVolume(aVolumeRecord({ state: 'ready', uri: 'nbd://x', generation: 2 ** 40 }));
      await tx.putChange(aChangeRecord());
      await tx.putLeg(aLegRecord());
      await tx.putLeg(aLegRecord({ awaited: false, address: { kind: 'nbd', host: 'h', port: 1, exportName: 'e' } }));
      await tx.putKey(aKeyRecord());
      await tx.putReservation(aReservationRecord());
      await tx.putAgent(anAgentRecord({ revision: 7 }));
      await tx.putDesired(aDesiredCardEntry(7));
    });
    await store.read(async (reader) => {
      const volume = aVolumeRecord({ state: 'ready', uri: 'nbd://x', generation: 2 ** 40 });
      expect(await reader.volume(volume.volumeId)).toEqual(volume);
      expect(await reader.volumesNamed('vol-a', 'acme')).toEqual([volume]);
      expect(await reader.volumesNamed('vol-a', 'other')).toEqual([]);
      expect(await reader.change(aChangeRecord().changeId)).toEqual(aChangeRecord());
      expect(await reader.legsOf(volume.volumeId)).toEqual([
        aLegRecord({ awaited: false, address: { kind: 'nbd', host: 'h', port: 1, exportName: 'e' } }),
      ]);
      expect(await reader.keysOf(volume.volumeId)).toEqual([aKeyRecord()]);
      expect(await reader.reservations()).toEqual([aReservationRecord()]);
      expect(await reader.agent('card', 'card-1')).toEqual(anAgentRecord({ revision: 7 }));
      expect(await reader.desiredItem('card', 'card-1', volume.volumeId)).toEqual(aDesiredCardEntry(7));
    });
  });

  it('keeps what is paused, the fleet and cards, until it is not', async () => {
    const fleet = { cardId: null, by: 'bob', sinceMs: 5 };
    const card = { cardId: 'card-1', by: 'alice', sinceMs: 6 };
    await store.transaction(async (tx) => {
      await tx.putPause(card);
      await tx.putPause(fleet);
    });
    const pauses = await store.read((reader) => reader.pauses());
    expect(pauses).toHaveLength(2);
    expect(pauses).toEqual(expect.arrayContaining([fleet, card]));
    await store.transaction((tx) => tx.deletePause(null));
    expect(await store.read((reader) => reader.pauses())).toEqual([card]);
  });

  it('keeps nothing of a transaction that fails', async () => {
    const failing = store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.enqueueEvents([anEvent()], {});
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await store.read((reader) => reader.volume(aVolumeRecord().volumeId))).toBeNull();
    expect(await committedEvents(store)).toEqual([]);
  });

  it('ties events to their transaction', async () => {
    await store.transaction((tx) => tx.enqueueEvents([anEvent()], { traceparent: 'x' }));
    expect(await committedEvents(store)).toEqual([{ messageId: anEvent().eventId, payload: anEvent() }]);
  });

  it('removes what it is told to remove, and only that', async () => {
    const other = 'vol-0000000002';
    await store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord());
      await tx.putVolume(aVolumeRecord({ volumeId: other, name: 'vol-b' }));
      await tx.putLeg(aLegRecord());
      await tx.putKey(aKeyRecord());
      await tx.putReservation(aReservationRecord());
      await tx.putDesired(aDesiredCardEntry(1));
    });
    await store.transaction(async (tx) => {
      await tx.deleteVolume(aVolumeRecord().volumeId);
      await tx.deleteLeg(aLegRecord().legId);
      await tx.deleteKey(aKeyRecord().keyRef);
      await tx.deleteReservation(aReservationRecord().reservationId);
      await tx.deleteDesired('card', 'card-1', aVolumeRecord().volumeId);
    });
    await store.read(async (reader) => {
      expect((await reader.volumes(null, null, 10)).map(({ volumeId }) => volumeId)).toEqual([other]);
      expect(await reader.leg(aLegRecord().legId)).toBeNull();
      expect(await reader.keysOf(aVolumeRecord().volumeId)).toEqual([]);
      expect(await reader.reservations()).toEqual([]);
      expect(await reader.desired('card', 'card-1', 0)).toEqual([]);
    });
  });

  it('pages volumes from the oldest and changes from the newest, also where instants are equal', async () => {
    const ids = ['1', '2', '3', '4', '5'];
    await store.transaction(async (tx) => {
      for (const id of ids) {
        const createdAtMs = id < '4' ? 10 : 20;
        await tx.putVolume(aVolumeRecord({ volumeId: `vol-000000000${id}`, name: `vol-${id}`, createdAtMs }));
        await tx.putChange(
          aChangeRecord({ changeId: `chg-000000000${id}`, state: id === '1' ? 'settled' : 'applying', createdAtMs }),
        );
      }
    });
    await store.read(async (reader) => {
      const first = await reader.volumes('acme', null, 2);
      const last = first.at(-1);
      const rest = await reader.volumes('acme', last ? { createdAtMs: last.createdAtMs, id: last.volumeId } : null, 10);
      expect([...first, ...rest].map(({ name: shown }) => shown)).toEqual(ids.map((id) => `vol-${id}`));
      const filter = { tenantId: null, volumeId: null };
      const newest = await reader.changes(filter, null, 2);
      expect(newest.map(({ changeId }) => changeId.at(-1))).toEqual(['5', '4']);
      const older = await reader.changes(filter, { createdAtMs: 20, id: 'chg-0000000004' }, 10);
      expect(older.map(({ changeId }) => changeId.at(-1))).toEqual(['3', '2', '1']);
      expect(new Set((await reader.openChanges()).map(({ changeId }) => changeId.at(-1)))).toEqual(
        new Set(['2', '3', '4', '5']),
      );
      expect(await reader.creationsOf('acme', 'vol-a')).toBe(5);
      expect(await reader.creationsOf('other', 'vol-a')).toBe(0);
    });
  });

  it('answers desired entries above a revision, lowest first', async () => {
    await store.transaction(async (tx) => {
      for (const revision of [3, 1, 2]) await tx.putDesired(aDesiredCardEntry(revision, `vol-000000000${revision}`));
    });
    const revisions = await store.read(async (reader) =>
      (await reader.desired('card', 'card-1', 1)).map(({ revision }) => revision),
    );
    expect(revisions).toEqual([2, 3]);
    expect(await store.read((reader) => reader.desired('pool', 'card-1', 0))).toEqual([]);
  });

  it('runs a request once for its key, and refuses the key for another', async () => {
    const call = { scope: 'acme', key: 'k', requestDigest: 'd', replySchema: z.object({ n: z.number() }) };
    let runs = 0;
    const run = (requestDigest = 'd') =>
      store.transaction((tx) => tx.idempotent({ ...call, requestDigest }, async () => ({ n: (runs += 1) })));
    expect([await run(), await run()]).toEqual([{ n: 1 }, { n: 1 }]);
    await expect(run('other')).rejects.toThrow(ProblemError);
    expect(runs).toBe(1);
  });

  it('keeps its incarnation', async () => {
    expect(await store.incarnation()).toBe(await store.incarnation());
    expect(z.uuid().safeParse(await store.incarnation()).success).toBe(true);
  });
});

const dayMs = 24 * 3_600_000;
const numbered = (kind: string, n: number) => `${kind}-${String(n).padStart(10, '0')}`;
const keptIn = (store: SchedulerStore, volumeId: string) =>
  store.read(async (reader) =>
    (await reader.changes({ tenantId: null, volumeId }, null, 200)).map(({ changeId }) => changeId),
  );

describe.each(['SQLite', 'PostgreSQL'])('changes on %s', (name) => {
  it('are kept as many as may be of a volume, and for a month of one that is gone, and names count on', async () => {
    const store = await stores[name]?.();
    if (!store || !database) throw new Error('there is a database');
    const [here, gone, young, healed] = [1, 2, 3, 4].map((n) => numbered('vol', n));
    if (!here || !gone || !young || !healed) throw new Error('there are four');
    await store.transaction(async (tx) => {
      await tx.putVolume(aVolumeRecord({ volumeId: here, changeId: numbered('chg', 5) }));
      await tx.putVolume(aVolumeRecord({ volumeId: healed, name: 'vol-b', changeId: numbered('chg', 8) }));
      const put = (n: number, volumeId: string, over: object) =>
        tx.putChange(aChangeRecord({ changeId: numbered('chg', n), volumeId, state: 'settled', ...over }));
      for (let n = 1; n <= 5; n += 1)
        await put(n, here, {
          kind: n === 1 ? 'create' : 'change',
          createdAtMs: n,
          state: n === 5 ? 'applying' : 'settled',
        });
      await put(6, gone, { kind: 'create', createdAtMs: 1 });
      await put(7, young, { kind: 'create', createdAtMs: 40 * dayMs });
      await put(8, healed, { kind: 'change', createdAtMs: 1 });
      for (const n of [9, 10, 11]) await put(n, healed, { kind: 'heal', createdAtMs: n });
    });
    const nowMs = 41 * dayMs;
    const went: number[] = [];
    for (let pass = 0; pass < 5; pass += 1) went.push(await pruneChanges(database, nowMs, { kept: 2 }));
    expect(went.toSorted((left, right) => right - left)).toEqual([2, 1, 1, 0, 0]);
    // The latest change of a volume stays, however many outages are recorded after it.
    expect(await keptIn(store, healed)).toEqual([11, 10, 8].map((n) => numbered('chg', n)));
    expect(await keptIn(store, gone)).toEqual([]);
    expect(await keptIn(store, young)).toEqual([numbered('chg', 7)]);
    expect(await keptIn(store, here)).toEqual([5, 4, 3].map((n) => numbered('chg', n)));
    expect(await store.read((reader) => reader.creationsOf('acme', 'vol-a'))).toBe(3);
  });
});
