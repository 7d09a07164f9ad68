import { expect, it } from 'vitest';
import { Notes } from '../testing/notes.js';
import { MemoryDatabase, type MemoryHooks } from './memory-database.js';
import { MemoryLeaseStore } from './memory-lease-store.js';
import { MemoryTable } from './memory-table.js';

const note = (name: string) => async (draft: Notes) => draft.names.put(name, name);
const never = () => new Promise<void>(() => undefined);

/** Whatever needs no time has happened. */
const quiet = () => new Promise((resolve) => setImmediate(resolve));

function two(hooks: MemoryHooks = {}) {
  const database = new MemoryDatabase(new Notes());
  const written = () => database.contents.names.all();
  return { database, mine: database.connect(hooks), other: database.connect(), written };
}

/** Writes how many there were when it began. */
async function count(draft: Notes): Promise<void> {
  const size = draft.names.all().length;
  await quiet();
  draft.names.put(String(size), String(size));
}

/** What came of it by now: nothing, a result or an error. */
function watch(work: Promise<unknown>): { outcome: string } {
  const watched = { outcome: 'nothing' };
  work.then(
    () => (watched.outcome = 'done'),
    (error: unknown) => (watched.outcome = String(error)),
  );
  return watched;
}

it('keeps a transaction to itself until it is committed', async () => {
  const commit = Promise.withResolvers<void>();
  const { mine, written } = two({ beforeCommit: () => commit.promise });
  const work = mine.transaction(note('a'));
  await quiet();
  expect(written()).toEqual([]);
  commit.resolve();
  await work;
  expect(written()).toEqual(['a']);
});

it('keeps nothing of a transaction whose work, or whose commit, fails', async () => {
  const { mine, other, written } = two({
    beforeCommit: () => {
      throw new Error('disk full');
    },
  });
  await expect(mine.transaction(note('a'))).rejects.toThrow('disk full');
  const failing = other.transaction(async (draft) => {
    draft.names.put('b', 'b');
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await other.transaction(note('c'));
  expect(written()).toEqual(['c']);
});

it('keeps what was committed although its answer was lost, and lets the next one go on', async () => {
  const { mine, other, written } = two({ afterCommit: never });
  const answer = watch(mine.transaction(note('a')));
  await other.transaction(note('b'));
  expect([answer.outcome, written()]).toEqual(['nothing', ['a', 'b']]);
});

it('runs transactions of all processes one after the other, each on what the last one left', async () => {
  const { mine, other, written } = two();
  await Promise.all([mine, other, mine, other].map((connection) => connection.transaction(count)));
  expect(written()).toEqual(['0', '1', '2', '3']);
});

it('rolls back what a process that is gone had open, drops what it waited for, and never answers it', async () => {
  const { mine, other, written } = two({ beforeCommit: never });
  const asked = [mine.transaction(note('open')), mine.transaction(note('waits'))].map(watch);
  const waiting = other.transaction(note('after'));
  await quiet();
  expect(written()).toEqual([]);
  mine.abandon();
  await waiting;
  const later = [mine.transaction(note('late')), mine.statement(() => 1), mine.answer(1)].map(watch);
  await quiet();
  expect(written()).toEqual(['after']);
  expect([...asked, ...later].map(({ outcome }) => outcome)).toEqual(Array(5).fill('nothing'));
});

it('never tells a process that is gone of a failure either', async () => {
  const refuse = Promise.withResolvers<void>();
  const { mine, other } = two({ beforeCommit: () => refuse.promise });
  const asked = watch(mine.transaction(note('open')));
  await quiet();
  mine.abandon();
  refuse.reject(new Error('too late to matter'));
  await other.transaction(note('after'));
  await quiet();
  expect(asked.outcome).toBe('nothing');
});

it('lets nobody take a lease over while its holder has a transaction open, and lets him once the holder is gone', async () => {
  let nowMs = 1_000;
  const { database, mine, other, written } = two({ beforeCommit: never });
  const [held, wanted] = [mine, other].map(
    (connection) => new MemoryLeaseStore(connection, { name: 'lease', nowMs: () => nowMs }),
  );
  const token = await held?.acquire('mine', 5_000);
  void mine.transaction(note('open'));
  nowMs = 10_000;
  const takeover = wanted?.acquire('other', 5_000);
  const early = watch(takeover ?? never());
  await quiet();
  expect([early.outcome, token]).toEqual(['nothing', 1_000]);
  mine.abandon();
  expect(await takeover).toBe(10_000);
  expect([written(), database.leases.get('lease')?.holder]).toEqual([[], 'other']);
});

it('tells of each commit at its instant, also of one that nobody is told of any more', async () => {
  const seen: string[][] = [];
  const database = new MemoryDatabase(new Notes(), (now, before) =>
    seen.push(now.names.where((name) => before.names.get(name) === null)),
  );
  const mine = database.connect({ afterCommit: () => mine.abandon() });
  void mine.transaction(note('a'));
  await database.connect().transaction(note('b'));
  expect(seen).toEqual([['a'], ['b']]);
});

it('is put back as it was copied, leases and all', async () => {
  const { database, mine, written } = two();
  const lease = new MemoryLeaseStore(mine, { name: 'lease', nowMs: () => 1 });
  await mine.transaction(note('a'));
  const copy = database.copy();
  await mine.transaction(note('b'));
  await lease.acquire('mine', 5);
  database.putBack(copy);
  expect([written(), await lease.look()]).toEqual([['a'], null]);
});

it('refuses to have a row changed that was written', () => {
  const table = MemoryTable.empty<{ legs: { id: string }[] }>();
  const row = { legs: [{ id: 'leg-1' }] };
  table.put('a', row);
  expect(() => row.legs.push({ id: 'leg-2' })).toThrow(TypeError);
  const copy = table.copy();
  copy.delete('a');
  table.put('b', { legs: [] });
  expect([table.all().length, copy.all().length]).toEqual([2, 0]);
});
