import { MemoryDatabase } from '@flexbso/persistence/memory';
import { expect, it } from 'vitest';
import { seededRandomness } from '../testing/memory-cell.js';
import { aVolumeRecord } from '../testing/records.js';
import { describeStore } from '../testing/store-suite.js';
import { SchedulerContents } from './memory-contents.js';
import { MemoryStore } from './memory-store.js';

const randomness = seededRandomness('store');
const fence = async () => undefined;

describeStore('memory', async (ownFence) => {
  const options = { randomness, fence: ownFence };
  const store = new MemoryStore(new MemoryDatabase(new SchedulerContents()).connect(), options);
  return {
    store,
    committedEvents: async () => store.takeEvents().map((payload) => ({ messageId: payload.eventId, payload })),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

it('is one database for two schedulers, of which the one that ends leaves nothing half done', async () => {
  const database = new MemoryDatabase(new SchedulerContents());
  const dying = database.connect({ beforeCommit: () => new Promise(() => undefined) });
  const first = new MemoryStore(dying, { randomness, fence });
  const second = new MemoryStore(database.connect(), { randomness, fence });
  const { volumeId } = aVolumeRecord();
  void first.transaction((tx) => tx.putVolume(aVolumeRecord()));
  const next = second.transaction(async (tx) => (await tx.volume(volumeId))?.name ?? null);
  dying.abandon();
  expect(await next).toBeNull();
});

async function livesOf(seed: string): Promise<string[]> {
  const options = { randomness: seededRandomness(seed), fence };
  const store = new MemoryStore(new MemoryDatabase(new SchedulerContents()).connect(), options);
  return [await store.incarnation(), await store.renewIncarnation()];
}

it('gives the same incarnations to the same seed', async () => {
  expect(await livesOf('life')).toEqual(await livesOf('life'));
  expect(await livesOf('life')).not.toEqual(await livesOf('another'));
});
