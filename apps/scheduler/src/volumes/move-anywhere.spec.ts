import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, encrypted, MIB } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const anywhere = { placement: { poolIds: [] } };
const GIB = 1024 * MIB;
let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});
const poolsOf = async (name = 'vol-a') => (await cell.volumeNow(name)).legs.map(({ poolId }) => poolId).toSorted();
async function settled(patch: Parameters<MemoryCell['change']>[0], name = 'vol-a') {
  const { change } = await cell.change(patch, name);
  await cell.settle();
  expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
  expect(await cell.scheduler.checkReservations()).toEqual([]);
  return change;
}

describe('a volume that may be anywhere', () => {
  it('moves from the pool that it was named to onto the one that has most left, and is named to none', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    await cell.create({ name: 'beside', sizeBytes: 10 * GIB, placement: { poolIds: ['pool-1'] } });
    await cell.create({ name: 'little', sizeBytes: 2 * GIB, placement: { poolIds: ['pool-2'] } });
    const change = await settled(anywhere);
    expect(change.differences).toEqual(['pools']);
    expect(await poolsOf()).toEqual(['pool-3']);
    expect((await cell.volumeNow()).placement.poolIds ?? []).toEqual([]);
    // What comes to be better later moves nothing by itself, and the next wish does.
    await cell.create({ name: 'large', sizeBytes: 50 * GIB, placement: { poolIds: ['pool-3'] } });
    await settled({ stack: { layers: [...encrypted.layers] } });
    expect(await poolsOf()).toEqual(['pool-3']);
    await settled(anywhere);
    expect(await poolsOf()).toEqual(['pool-2']);
  });

  it.each(['pool-1', 'pool-2', 'pool-3'])(
    'stays on %s where others are no better: its own leg does not count',
    async (poolId) => {
      await cell.create({ placement: { poolIds: [poolId] }, sizeBytes: 20 * GIB });
      for (const other of ['pool-1', 'pool-2', 'pool-3'])
        await cell.create({
          name: `on-${other}`,
          sizeBytes: other === poolId ? GIB : 2 * GIB,
          placement: { poolIds: [other] },
        });
      const { legs, generation } = await cell.volumeNow();
      const change = await settled(anywhere);
      expect(change).toMatchObject({ differences: [], plan: { steps: [] } });
      expect(await cell.volumeNow()).toMatchObject({ generation, legs, placement: { poolIds: [] } });
    },
  );

  it('stays where there is no room elsewhere, even where a second leg would have none beside it', async () => {
    for (const other of ['pool-2', 'pool-3']) cell.scheduler.hearPoolSnapshot(aPool(other, { capacityBytes: GIB }));
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { capacityBytes: 30 * GIB }));
    await cell.create({ placement: { poolIds: ['pool-1'] }, sizeBytes: 20 * GIB });
    expect(await settled(anywhere)).toMatchObject({ differences: [] });
    expect(await refusalOf(cell.change({ placement: { poolIds: ['pool-2'] } }))).toBe('pool-full');
  });

  it('goes there in the same swap as whatever else is asked for', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    await cell.create({ name: 'beside', sizeBytes: 10 * GIB, placement: { poolIds: ['pool-1'] } });
    const change = await settled({ ...anywhere, stack: { layers: [...encrypted.layers] } });
    expect(change.differences.toSorted()).toEqual(['pools', 'stack']);
    expect(change.plan.steps.filter(({ cutOver }) => cutOver)).toHaveLength(1);
    expect(await poolsOf()).not.toContain('pool-1');
  });

  it('is shown by the dry run as it will be, and leaves a pool that takes nothing new', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    cell.scheduler.hearPoolSnapshot({ ...aPool('pool-1'), cordoned: true });
    const asked = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: 1, patch: anywhere };
    const plan = await cell.scheduler.volumes.planChange(asked);
    expect((await settled(anywhere)).plan).toEqual(plan);
    expect(await poolsOf()).not.toContain('pool-1');
    for (const id of ['pool-1', 'pool-2', 'pool-3']) cell.scheduler.hearPoolSnapshot({ ...aPool(id), cordoned: true });
    expect(await refusalOf(cell.change(anywhere))).toBe('no-placement');
  });

  it('goes there after the change that it waits for', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    await cell.create({ name: 'beside', sizeBytes: 10 * GIB, placement: { poolIds: ['pool-1'] } });
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    const { change } = await cell.change(anywhere);
    expect(change.state).toBe('queued');
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    expect((await cell.volumeNow()).placement.poolIds).toEqual([]);
    expect(await poolsOf()).not.toContain('pool-1');
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
