import { MemoryDatabase } from '@flexbso/persistence/memory';
import { beforeEach, expect, it } from 'vitest';
import type { Timer } from '../ports.js';
import { SchedulerContents } from '../store/memory-contents.js';
import { MemoryStore } from '../store/memory-store.js';
import { seededRandomness } from '../testing/memory-cell.js';
import { anAgentRecord } from '../testing/records.js';
import { LifeKeeper } from './life-keeper.js';
import { MemoryLifeStore } from './life-store.js';

const randomness = seededRandomness('lives');
let database: MemoryDatabase<SchedulerContents>;
let written: MemoryLifeStore;
let told: string[];
/** Ends the second between two writes; nobody waits when it is null. */
let wake: (() => void) | null;

const clock: Timer = {
  sleep: (_durationMs, signal) =>
    new Promise((resolve) => {
      wake = resolve;
      signal?.addEventListener('abort', () => resolve(), { once: true });
    }),
};

beforeEach(() => {
  database = new MemoryDatabase(new SchedulerContents());
  written = new MemoryLifeStore();
  [told, wake] = [[], null];
});

/** As a scheduler does that starts. */
async function start(renew = false) {
  const store = new MemoryStore(database.connect(), { randomness, fence: async () => undefined });
  const keeper = await LifeKeeper.open(written, store, {
    clock,
    renew,
    onRenewed: (reason) => told.push(reason),
    onFailed: (error) => told.push(`not written: ${String(error)}`),
  });
  /** Commits that the card is at a revision. */
  const bring = async (revision: number) => {
    await store.transaction((tx) => tx.putAgent(anAgentRecord({ revision })));
    keeper.given(1);
  };
  return { store, keeper, bring };
}

it('gives an older copy of the database another life, and the same database none', async () => {
  const first = await start();
  await first.bring(1);
  const copy = database.copy();
  await first.bring(2);
  await first.keeper.close();
  const { store } = await start();
  const before = await store.incarnation();
  expect(told).toEqual([]);
  database.putBack(copy);
  const restored = await start();
  expect(told).toEqual([expect.stringContaining('older copy')]);
  expect(await restored.store.incarnation()).not.toBe(before);
});

it('writes once in a while and not at each commit, so that a crash in between leaves it behind and no further', async () => {
  const { bring } = await start();
  await bring(1);
  await bring(2);
  expect(await written.load()).toMatchObject({ revisions: 0 });
  wake?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await written.load()).toMatchObject({ revisions: 2 });
  await bring(3);
  await start();
  expect(told).toEqual([]);
});

it('tells of a write that failed, and writes again with the next', async () => {
  const { bring } = await start();
  const save = written.save.bind(written);
  written.save = () => Promise.reject(new Error('disk full'));
  for (const revision of [1, 2]) {
    await bring(revision);
    wake?.();
    await new Promise((resolve) => setImmediate(resolve));
    written.save = save;
  }
  expect(told).toEqual(['not written: Error: disk full']);
  expect(await written.load()).toMatchObject({ revisions: 2 });
});

it('refuses to guess what it cannot read', async () => {
  await written.save('damaged');
  await expect(start()).rejects.toThrow(/delete the file.*--new-incarnation/);
});

it('begins another life when an operator asks for it', async () => {
  await start();
  await start(true);
  expect(told).toEqual([expect.stringContaining('--new-incarnation')]);
});
