import { type Backup, backupSchema, type Restored, rpc } from '@flexbso/contracts';
import { MemoryDatabase } from '@flexbso/persistence/memory';
import { beforeEach, expect, it } from 'vitest';
import { SchedulerContents } from '../store/memory-contents.js';
import { MemoryStore } from '../store/memory-store.js';
import { seededRandomness } from '../testing/memory-cell.js';
import { anAgentRecord, anEvent, aVolumeRecord } from '../testing/records.js';
import { MemoryBackups } from './memory-backups.js';

const options = { randomness: seededRandomness('backups'), fence: async () => undefined };
const { volumeId } = aVolumeRecord();
let store: MemoryStore;
let backups: MemoryBackups;

beforeEach(async () => {
  const connection = new MemoryDatabase(new SchedulerContents()).connect();
  store = new MemoryStore(connection, options);
  backups = new MemoryBackups(connection, options);
  await store.incarnation();
});

function asked<Reply>(key: string, replySchema: { parse(kept: unknown): Reply }) {
  return { call: { scope: 'acme', key, requestDigest: key, replySchema }, event: anEvent() };
}
const create = (name: string, key = name): Promise<Backup> => backups.create(name, 1, asked(key, backupSchema));
const restore = (name: string, key: string): Promise<Restored & { replayed: boolean }> =>
  backups.restore(name, 2, asked(key, rpc.scheduler['restore-backup'].reply));
const labels = () => store.read(async (reader) => (await reader.volume(volumeId))?.name ?? null);

it('is restored as another life, in which agents stay where they said they are', async () => {
  await store.transaction(async (tx) => {
    await tx.putVolume(aVolumeRecord({ name: 'before' }));
    await tx.putAgent(anAgentRecord({ revision: 3 }));
  });
  const { incarnation } = await create('first');
  await store.transaction(async (tx) => {
    await tx.putVolume(aVolumeRecord({ name: 'after' }));
    await tx.putAgent(anAgentRecord({ revision: 9, sessionId: 'later', sessionNumber: 7, follows: incarnation }));
  });
  const restored = await restore('first', 'r1');
  expect([await labels(), await store.incarnation()]).toEqual(['before', restored.incarnation]);
  expect(restored.incarnation).not.toBe(incarnation);
  const agent = await store.read((reader) => reader.agent('card', 'card-1'));
  expect(agent).toMatchObject({ revision: 3, sessionId: 'later', sessionNumber: 7, follows: incarnation });
});

it('is made, restored and told once for a request that comes twice', async () => {
  const first = await create('first');
  expect(await create('first')).toEqual(first);
  await expect(create('first', 'another key')).rejects.toThrow(/^name-taken/);
  const restored = await restore('first', 'r1');
  await store.transaction((tx) => tx.putVolume(aVolumeRecord({ name: 'later' })));
  expect(await restore('first', 'r1')).toEqual({ ...restored, replayed: true });
  expect([await labels(), restored.replayed, store.takeEvents()]).toEqual(['later', false, expect.any(Array)]);
  await expect(restore('none', 'r2')).rejects.toThrow(/^not-found/);
});
