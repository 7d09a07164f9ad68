import { SteppedClock } from '@flexbso/testkit';
import { beforeEach, expect, it } from 'vitest';
import { MemoryDatabase } from '../memory/memory-database.js';
import { MemoryLeaseStore } from '../memory/memory-lease-store.js';
import { Notes } from '../testing/notes.js';
import type { LeaseStore } from './lease-store.js';
import { serviceLeaseTimes as times } from './lease-time.js';
import { ServiceLease } from './service-lease.js';

let database: MemoryDatabase<Notes>;
let clock: SteppedClock;
let told: string[];

beforeEach(() => {
  database = new MemoryDatabase(new Notes());
  clock = new SteppedClock();
  told = [];
});

const storeOf = () => new MemoryLeaseStore(database.connect(), { name: 'lease', nowMs: () => clock.nowMs() });

function take(holder: string, store: LeaseStore<unknown> = storeOf()): Promise<ServiceLease<unknown>> {
  return ServiceLease.take(store, {
    name: 'lease',
    holder,
    clock,
    onStandby: (other) => told.push(`${holder} stands by for ${other}`),
    onTrust: (isHeld) => told.push(`${holder} ${isHeld ? 'trusts' : 'doubts'}`),
    onFailed: () => undefined,
    onLost: (reason) => told.push(`${holder} lost: ${reason}`),
  });
}

/** A store that stops answering when it is told to, as a database that is away. */
function failing(store: LeaseStore<unknown>) {
  const answers = { isAway: false };
  const renew = store.renew.bind(store);
  store.renew = (token, leaseMs) => (answers.isAway ? Promise.reject(new Error('away')) : renew(token, leaseMs));
  return { store, answers };
}

it('passes to the standby when the holder is gone, within the lease and a poll, by a virtual clock alone', async () => {
  const store = storeOf();
  await take('first', store);
  const takeovers: number[] = [];
  void take('second').then(() => takeovers.push(clock.nowMs()));
  await clock.pass(60_000);
  expect(takeovers).toEqual([]);
  // Its calls never resolve from now on, as those of a process that was killed.
  store.renew = () => new Promise(() => undefined);
  const goneAtMs = clock.nowMs();
  await clock.pass(60_000);
  expect(takeovers).toHaveLength(1);
  expect(Number(takeovers[0]) - goneAtMs).toBeLessThanOrEqual(times.leaseMs + times.pollEveryMs);
  expect(told).toContain('second stands by for first');
});

it('is doubted at its end while the database does not answer, and trusted again when it does', async () => {
  const { store, answers } = failing(storeOf());
  const lease = await take('only', store);
  answers.isAway = true;
  await clock.pass(times.leaseMs + times.renewEveryMs);
  expect([lease.isHeld, told]).toEqual([false, ['only doubts']]);
  answers.isAway = false;
  await clock.pass(times.renewEveryMs);
  expect([lease.isHeld, told]).toEqual([true, ['only doubts', 'only trusts']]);
  answers.isAway = true;
  await clock.pass(times.leaseMs + times.giveUpMs + times.renewEveryMs);
  expect(told.at(-1)).toBe('only lost: the database does not say who holds it');
});

it('asks no more once it is given back', async () => {
  const lease = await take('only');
  await lease.release();
  await clock.pass(times.leaseMs);
  expect([clock.sleeping, told]).toEqual([0, []]);
});
