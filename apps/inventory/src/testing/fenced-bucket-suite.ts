import { ProblemError } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { FencedBucket, type Permission, type VersionedBucket } from '../snapshots/fenced-bucket.js';

/** What the suite publishes. */
export interface State {
  readonly state: string;
}

const holder: Permission = { require: () => undefined, confirm: async () => undefined };
/** Stopped between its look at the clock and its write: it believes, and the database knows better. */
const replaced: Permission = {
  require: () => undefined,
  confirm: () => Promise.reject(new ProblemError({ code: 'fenced', detail: 'another process has taken it over' })),
};
const expired: Permission = {
  ...holder,
  require: () => {
    throw new ProblemError({ code: 'fenced', detail: 'the lease is over' });
  },
};

/** What the snapshots of a fleet have to be, wherever they are published. @param open the one bucket of all tests */
export function describeFencedBucket(kind: string, open: () => VersionedBucket<State>): void {
  describe(`the snapshots of a fleet ${kind}`, () => {
    let bucket: VersionedBucket<State>;
    const never = new AbortController().signal;
    const published = async () =>
      (await bucket.entries(never)).find(({ id }) => id === 'card-1')?.snapshot?.state ?? null;

    beforeEach(async () => {
      bucket = open();
      await bucket.delete('card-1');
    });

    it('are not set back by an inventory that was replaced', async () => {
      const old = new FencedBucket(bucket, replaced);
      await old.all(never);
      await new FencedBucket(bucket, holder).put('card-1', { state: 'new' });
      await expect(old.put('card-1', { state: 'stale' })).rejects.toThrow(/^fenced/);
      expect(await published()).toBe('new');
    });

    it('are written over by the one that holds the lease, where the one before was quicker', async () => {
      const next = new FencedBucket(bucket, holder);
      await next.all(never);
      await new FencedBucket(bucket, holder).put('card-1', { state: 'stale' });
      await next.put('card-1', { state: 'new' });
      await next.put('card-1', { state: 'newer' });
      expect(await published()).toBe('newer');
    });

    it('come back after they were removed', async () => {
      const own = new FencedBucket(bucket, holder);
      await own.put('card-1', { state: 'first' });
      await own.remove('card-1');
      expect([await published(), (await own.all(never)).has('card-1')]).toEqual([null, false]);
      await own.put('card-1', { state: 'second' });
      expect(await published()).toBe('second');
    });

    it('are published by nobody without the lease', async () => {
      await expect(new FencedBucket(bucket, expired).put('card-1', { state: 'x' })).rejects.toThrow(/^fenced/);
      expect(await published()).toBeNull();
    });
  });
}
