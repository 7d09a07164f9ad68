import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseOptions, openDatabase, OutboxRow } from '@flexbso/persistence';
import { type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterAll, beforeAll } from 'vitest';
import { describeAgentStore, type OpenStore } from '../testing/agent-store-suite.js';
import { DatabaseAgentStore, inventoryDatabase } from './database-agent-store.js';

let postgres: PostgresServer;
let folder: string;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'flexbso-inventory-store-'));
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function openOn(url: string, fence: () => Promise<void>): Promise<OpenStore> {
  const database = await openDatabase(databaseOptions(url, inventoryDatabase));
  return {
    store: new DatabaseAgentStore(database, fence),
    committedEvents: async () =>
      (await database.manager.find(OutboxRow)).map(({ messageId, payload }) => ({ messageId, payload })),
    [Symbol.asyncDispose]: () => database.destroy(),
  };
}

describeAgentStore('SQLite', (fence) => openOn(`sqlite://${join(folder, `${(databases += 1)}.db`)}`, fence));
describeAgentStore('PostgreSQL', async (fence) =>
  openOn(await postgres.createDatabase(`agents_${(databases += 1)}`), fence),
);
