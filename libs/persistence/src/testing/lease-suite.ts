import { ProblemError } from '@flexbso/contracts';
import { eventually } from '@flexbso/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LeaseFence, LeaseStore } from '../lease/lease-store.js';
import type { LeaseTimes } from '../lease/lease-time.js';
import { ServiceLease } from '../lease/service-lease.js';

/** Much shorter than a service's, so that the suite is quick; a lease of this length still outlives a busy machine's pause. */
export const suiteTimes: LeaseTimes = {
  leaseMs: 1_000,
  renewEveryMs: 100,
  checkEveryMs: 50,
  retryEveryMs: 50,
  giveUpMs: 10_000,
  pollEveryMs: 20,
};
/** The lease that the suite takes. */
export const suiteLease = 'suite';

/** An empty database with what the suite does to it. */
export interface LeaseWorld<Transaction> {
  /** As two processes reach the lease. */
  readonly stores: readonly [LeaseStore<Transaction>, LeaseStore<Transaction>];
  /** Writes a name, in a transaction of one of the two. */
  write(process: 0 | 1, fence: LeaseFence<Transaction>, name: string): Promise<void>;
  written(): Promise<string[]>;
  row(): Promise<{ readonly token: number; readonly expiresAtMs: number }>;
  /** Changes the row behind everybody's back, as time and operators do. */
  edit(row: { readonly token?: number; readonly expiresAtMs?: number }): Promise<void>;
  stop(): Promise<void>;
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof ProblemError ? error.code : String(error)),
  );

/** The processes of one test. */
class Suite<Transaction> {
  readonly world: LeaseWorld<Transaction>;
  readonly standbys: string[] = [];
  readonly lost: string[] = [];
  readonly #leases: ServiceLease<Transaction>[] = [];

  constructor(world: LeaseWorld<Transaction>) {
    this.world = world;
  }

  async end(): Promise<void> {
    await Promise.all(this.#leases.map((lease) => lease.release()));
    await this.world.stop();
  }

  async take(process: 0 | 1): Promise<ServiceLease<Transaction>> {
    const lease = await ServiceLease.take(this.world.stores[process], {
      name: suiteLease,
      times: suiteTimes,
      onStandby: (holder) => this.standbys.push(holder),
      onFailed: (what, error) => {
        throw new Error(`it failed to ${what}`, { cause: error });
      },
      onLost: (reason) => this.lost.push(reason),
    });
    this.#leases.push(lease);
    return lease;
  }

  /** By the second process, which waits for it; the first holds it still. */
  async standBy(): Promise<{ taken: Promise<ServiceLease<Transaction>> }> {
    const taken = this.take(1);
    await eventually('the other stands by', () => this.standbys.length > 0);
    return { taken };
  }

  expire(): Promise<void> {
    return this.world.edit({ expiresAtMs: 1 });
  }

  /** The holder renews all the time: it is expired until the standby was quicker. */
  async expireUntil(taken: Promise<unknown>): Promise<void> {
    let isTaken = false;
    void taken.then(() => (isTaken = true));
    await eventually('the standby has it', async () => {
      if (!isTaken) await this.expire();
      return isTaken;
    });
  }
}

/** What a lease has to be, wherever it is kept. */
export function describeLease<Transaction>(kind: string, start: () => Promise<LeaseWorld<Transaction>>): void {
  describe(`a lease on ${kind}`, () => {
    let suite: Suite<Transaction>;
    beforeEach(async () => {
      suite = new Suite(await start());
    });
    afterEach(() => suite.end());
    testHolding(() => suite);
    testLosing(() => suite);
  });
}

function testHolding<Transaction>(suiteNow: () => Suite<Transaction>): void {
  test('is taken at once when it is free, and not by another until it is given back', async () => {
    const suite = suiteNow();
    const holder = await suite.take(0);
    const { taken } = await suite.standBy();
    expect(holder.isHeld).toBe(true);
    await holder.release();
    expect((await taken).token).toBeGreaterThan(holder.token);
    expect(suite.standbys).toHaveLength(1);
  });

  test('is kept for longer than it lasts, by renewing', async () => {
    const suite = suiteNow();
    const { world } = suite;
    const holder = await suite.take(0);
    const { expiresAtMs: before } = await world.row();
    await eventually(
      'it was renewed beyond its first end',
      async () => (await world.row()).expiresAtMs > before + suiteTimes.leaseMs,
    );
    expect([holder.isHeld, suite.lost]).toEqual([true, []]);
  });

  test('expired and taken by nobody is renewed like any other', async () => {
    const suite = suiteNow();
    const holder = await suite.take(0);
    await suite.expire();
    await holder.confirm();
    await suite.world.write(0, holder.fence, 'after');
    expect(suite.lost).toEqual([]);
  });
}

function testLosing<Transaction>(suiteNow: () => Suite<Transaction>): void {
  test('taken over refuses every write of its old holder, who learns that it is lost', async () => {
    const suite = suiteNow();
    const { world, lost } = suite;
    const old = await suite.take(0);
    await world.write(0, old.fence, 'before');
    const { taken } = await suite.standBy();
    await suite.expireUntil(taken);
    expect(await codeOf(world.write(0, old.fence, 'stale'))).toBe('fenced');
    expect([await codeOf(old.confirm()), old.isHeld, lost.length]).toEqual(['fenced', false, 1]);
    expect(() => old.requireHeld()).toThrow(/no longer holds the lease of suite/);
    await world.write(1, (await taken).fence, 'after');
    expect((await world.written()).toSorted()).toEqual(['after', 'before']);
  });

  test('given back refuses what its holder still writes', async () => {
    const suite = suiteNow();
    const holder = await suite.take(0);
    await holder.release();
    expect(await codeOf(suite.world.write(0, holder.fence, 'late'))).toBe('fenced');
    expect(suite.lost).toEqual([]);
  });

  test('gives a token above those of a database that was put back to an older copy', async () => {
    const suite = suiteNow();
    const holder = await suite.take(0);
    await holder.release();
    await suite.world.edit({ token: 1 });
    // The token is the clock then, which has gone on by more than this while anybody puts a database back.
    await eventually('the clock has gone on', () => Date.now() > holder.token);
    expect((await suite.take(0)).token).toBeGreaterThan(holder.token);
  });
}
