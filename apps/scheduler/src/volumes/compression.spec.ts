import { type PoolSnapshot, ProblemError } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { aCard, aPool } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const compression = { kind: 'compression', algorithm: 'zstd' } as const;
const byPools = { ...compression, by: 'pools' } as const;
const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;

function compressing(pool: PoolSnapshot): PoolSnapshot {
  const { has, lacks } = pool.capabilities;
  return { ...pool, capabilities: { has: [...has, { name: 'compress-leg', limits: {} }], lacks } };
}

function plain(pool: PoolSnapshot): PoolSnapshot {
  const lacking = { name: 'compress-leg' as const, reason: `${pool.poolId} is on ext4` };
  return { ...pool, capabilities: { has: pool.capabilities.has, lacks: [lacking] } };
}

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
  for (const id of ['pool-1', 'pool-2']) cell.scheduler.hearPoolSnapshot(compressing(aPool(id)));
  cell.scheduler.hearPoolSnapshot(plain(aPool('pool-3')));
});

const detailOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof ProblemError ? error.problem.detail : String(error)),
  );

describe('compression by the pools', () => {
  it('is placed on pools that can, which are told of it, and is none of the card’s work', async () => {
    const { cardId } = await cell.create({ stack: { layers: [compression, { kind: 'raid1', legCount: 2 }] } });
    const volume = await cell.volumeNow();
    expect(volume.stack.layers[0]).toEqual(byPools);
    expect(volume.legs.map(({ poolId }) => poolId).toSorted()).toEqual(['pool-1', 'pool-2']);
    const told = cell.pools.flatMap(({ items }) => [...items.values()]);
    expect(told.map((leg) => leg.compression)).toEqual(['zstd', 'zstd']);
    const change = await cell.changeNow(volume.changeId ?? '');
    const steps = change.plan.steps.map(({ step }) => step);
    expect(steps.filter(({ kind }) => kind === 'create-leg')).toMatchObject([
      { compression: 'zstd' },
      { compression: 'zstd' },
    ]);
    expect(steps.map(({ kind }) => kind)).not.toContain('build-compression');
    expect(cell.cardOf({ cardId }).items.get(volume.volumeId)?.stack.layers[0]).toEqual(byPools);
  });

  it('is switched on by a swap onto a pool that can, kept by a move, and switched off again', async () => {
    await cell.create({ placement: { poolIds: ['pool-3'] } });
    const on = await cell.change({ stack: { layers: [compression] }, placement: { poolIds: ['pool-1'] } });
    expect(on.change.plan.lacks).toEqual([]);
    await cell.settle();
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    const moved = await cell.volumeNow();
    expect(moved).toMatchObject({ state: 'ready', stack: { layers: [byPools] }, legs: [{ poolId: 'pool-2' }] });
    const again = await cell.change({ stack: { layers: [compression] } });
    expect(again.change.differences).toEqual([]);
    const off = await cell.change({ stack: { layers: [] } });
    expect(off.change.plan.lacks).toEqual(['compression']);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', stack: { layers: [] } });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('leaves its pool when that cannot, unless the pool was named', async () => {
    await cell.create({ placement: { poolIds: ['pool-3'] } });
    const named = cell.change({ stack: { layers: [compression] }, placement: { poolIds: ['pool-3'] } });
    expect(await refusalOf(named)).toBe('missing-capability');
  });

  it('is refused with the reasons of the pools when none can', async () => {
    for (const id of ['pool-1', 'pool-2']) cell.scheduler.hearPoolSnapshot(plain(aPool(id)));
    const detail = await detailOf(cell.create({ stack: { layers: [compression] } }));
    expect(detail).toContain('every pool lacks compress-leg');
    for (const id of ['pool-1', 'pool-2', 'pool-3']) expect(detail).toContain(`${id} (${id} is on ext4)`);
  });

  it('is refused beneath encryption, when the volume is made and when it is changed', async () => {
    expect(await refusalOf(cell.create({ stack: { layers: [compression, encryption] } }))).toBe('invalid-stack');
    await cell.create({ stack: { layers: [compression] } });
    const change = () => cell.change({ stack: { layers: [byPools, encryption] } });
    expect(await refusalOf(change())).toBe('invalid-stack');
    expect(await detailOf(change())).toContain('compression beneath encryption saves nothing');
  });

  it('is left to a card that compresses by itself, above encryption too', async () => {
    for (const id of ['card-1', 'card-2']) {
      const card = aCard(id);
      const has = [...card.capabilities.has, { name: 'compression' as const, limits: {} }];
      cell.scheduler.hearCardSnapshot({ ...card, capabilities: { has, lacks: [] } });
    }
    await cell.create({ stack: { layers: [compression, encryption] } });
    const { stack, changeId } = await cell.volumeNow();
    expect(stack.layers).toEqual([{ ...compression, by: 'card' }, encryption]);
    const { plan } = await cell.changeNow(changeId ?? '');
    expect(plan.steps.map(({ step }) => step.kind)).toContain('build-compression');
  });
});
