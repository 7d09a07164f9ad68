import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, databaseOptions, openDatabase, OutboxRow } from '@flexbso/persistence';
import { type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pruneChanges } from '../persistence/change-pruning.js';
import { schedulerDatabase, TypeormStore } from '../persistence/typeorm-store.js';
import { aChangeRecord, aVolumeRecord } from '../testing/records.js';
import { describeStore, type OpenStore } from '../testing/store-suite.js';
import type { SchedulerStore } from './store.js';

let postgres: PostgresServer;
let folder: string;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'flexbso-scheduler-store-'));
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

const databaseUrls: Record<string, () => Promise<string>> = {
  SQLite: async () => `sqlite://${join(folder, `store-${(databases += 1)}.db`)}`,
  PostgreSQL: () => postgres.createDatabase(`store_${(databases += 1)}`),
};

async function openOn(kind: string, fence: () => Promise<void>): Promise<OpenStore & { database: Database }> {
  const url = await databaseUrls[kind]?.();
  if (url === undefined) throw new Error(`there is no database ${kind}`);
  const database = await openDatabase(databaseOptions(url, schedulerDatabase));
  return {
    database,
    store: new TypeormStore(database, fence),
    committedEvents: async () =>
      (await database.manager.find(OutboxRow)).map(({ messageId, payload }) => ({ messageId, payload })),
    [Symbol.asyncDispose]: () => database.destroy(),
  };
}

for (const kind of Object.keys(databaseUrls)) describeStore(kind, (fence) => openOn(kind, fence));

const dayMs = 24 * 3_600_000;
const numbered = (kind: string, n: number) => `${kind}-${String(n).padStart(10, '0')}`;
const keptIn = (store: SchedulerStore, volumeId: string) =>
  store.read(async (reader) =>
    (await reader.changes({ tenantId: null, volumeId }, null, 200)).map(({ changeId }) => changeId),
  );

describe.each(Object.keys(databaseUrls))('changes on %s', (kind) => {
  it('are kept as many as may be of a volume, and for a month of one that is gone, and names count on', async () => {
    await using opened = await openOn(kind, async () => undefined);
    const { store, database } = opened;
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
