import type { PlanReservation } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, encrypted, MIB } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

/** The rate of the cell's copies, in bytes a second, and as many operations as that is in pieces of 64 KiB. */
const COPY = { bytesPerSecond: MIB, iops: 16 };
const limits = { iopsTotal: 100, bytesPerSecondTotal: 10 * MIB };
const guest = { iops: 100, bytesPerSecond: 10 * MIB };
const both = { iops: guest.iops + COPY.iops, bytesPerSecond: guest.bytesPerSecond + COPY.bytesPerSecond };

/** The pool has room for this much of its bandwidth, beside what is on it. */
function leave(poolId: string, bytesPerSecond: number): void {
  const used = cell.fleet.pool(poolId)?.use.bytesPerSecond ?? 0;
  const pool = aPool(poolId);
  const budget = { ...pool.budget, bytesPerSecond: used + bytesPerSecond };
  cell.scheduler.hearPoolSnapshot({ ...pool, budget });
}

const useOf = (poolId: string) => {
  const { iops, bytesPerSecond } = cell.fleet.pool(poolId)?.use ?? { iops: -1, bytesPerSecond: -1 };
  return { iops, bytesPerSecond };
};

const moments = ['before', 'during', 'after'] as const;
const roomOf = (reservations: readonly PlanReservation[], poolId: string, at: (typeof moments)[number]) => {
  const room = reservations.find(({ owner }) => owner.id === poolId)?.[at];
  return { iops: room?.iops, bytesPerSecond: room?.bytesPerSecond };
};
const nothing = { iops: 0, bytesPerSecond: 0 };
const encrypt = { stack: { layers: [...encrypted.layers] } };

/** The pool of a volume that named none, and the others. */
async function placedAnywhere(): Promise<[string, string, string]> {
  await cell.create({ qos: limits });
  const [leg] = (await cell.volumeNow()).legs;
  const [full, free] = ['pool-1', 'pool-2', 'pool-3'].filter((poolId) => poolId !== leg?.poolId);
  if (!leg || !full || !free) throw new Error('the volume has no leg');
  return [leg.poolId, full, free];
}

describe('room for the copy of a swap', () => {
  it('is held beside the guest on the pool that it reads and on that which it writes, until the swap is settled', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] }, qos: limits });
    expect(useOf('pool-1')).toEqual(guest);
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] } });
    const { reservations } = change.plan;
    expect(moments.map((at) => roomOf(reservations, 'pool-1', at))).toEqual([guest, both, nothing]);
    expect(moments.map((at) => roomOf(reservations, 'pool-2', at))).toEqual([nothing, both, guest]);
    expect([useOf('pool-1'), useOf('pool-2')]).toEqual([both, both]);
    await cell.settle();
    expect([useOf('pool-1'), useOf('pool-2')]).toEqual([nothing, guest]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('is held of a volume without limits too, whose copy is bounded all the same', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    expect([useOf('pool-1'), useOf('pool-2')]).toEqual([COPY, COPY]);
  });

  it('is given back when the swap is undone', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] }, qos: limits });
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.cancel(change.changeId);
    await cell.settle();
    expect([useOf('pool-1'), useOf('pool-2')]).toEqual([guest, nothing]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('is a reason not to choose a pool', async () => {
    const [here, full, free] = await placedAnywhere();
    // The old leg is read there and the new one written: twice the copy, and the guest once more.
    leave(here, both.bytesPerSecond + COPY.bytesPerSecond - 1);
    leave(full, both.bytesPerSecond - 1);
    const { change } = await cell.change(encrypt);
    expect(roomOf(change.plan.reservations, here, 'during')).toEqual(both);
    expect(roomOf(change.plan.reservations, free, 'during')).toEqual(both);
  });

  it('is a reason to stay on a pool that has enough for both ends', async () => {
    const [here] = await placedAnywhere();
    leave(here, both.bytesPerSecond + COPY.bytesPerSecond);
    const { change } = await cell.change(encrypt);
    expect(change.plan.reservations.map(({ owner }) => owner.id).filter((id) => id.startsWith('pool'))).toEqual([here]);
  });

  it('is refused, by name, where the pool that is to be read has none left', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] }, qos: limits });
    leave('pool-1', COPY.bytesPerSecond - 1);
    const move = () => cell.change({ placement: { poolIds: ['pool-2'] } });
    expect(await refusalOf(move())).toBe('no-placement');
    await expect(move()).rejects.toThrow(/pool pool-1 .*bytesPerSecond/);
    expect([useOf('pool-1'), useOf('pool-2')]).toEqual([guest, nothing]);
  });
});
