import { beforeEach, describe, expect, it } from 'vitest';
import { MIB, encrypted } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const mirror = { kind: 'raid1', legCount: 2, safeRead: false } as const;
const mirrored = { stack: { layers: [mirror] } };
const plain = { stack: { layers: [] } };

describe('a volume that is to be redundant at all times', () => {
  it('is made on a redundant stack only', async () => {
    expect(await refusalOf(cell.create({ ...plain, alwaysRedundant: true }))).toBe('invalid-stack');
    await cell.create({ ...mirrored, alwaysRedundant: true });
    expect(await cell.volumeNow()).toMatchObject({ alwaysRedundant: true, state: 'ready' });
  });

  it('is changed between redundant stacks, and never onto one that a lost leg ends', async () => {
    await cell.create({ ...mirrored, alwaysRedundant: true });
    await expect(cell.change(plain)).rejects.toThrow('(alwaysRedundant), and the stack that is asked for ends');
    await cell.change({ stack: { layers: [...encrypted.layers, { ...mirror, legCount: 3 }] } });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ alwaysRedundant: true, settledGeneration: 2 });
  });

  it('is not grown, since that goes by way of one leg, and is told so', async () => {
    await cell.create({ ...mirrored, alwaysRedundant: true });
    await expect(cell.change({ sizeBytes: 512 * MIB })).rejects.toThrow('grows only by way of one leg');
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, generation: 1, state: 'ready' });
  });

  it('may lift the demand in the change that needs it lifted, and grow by way of one leg then', async () => {
    await cell.create({ ...mirrored, alwaysRedundant: true });
    const { change } = await cell.change({ ...plain, alwaysRedundant: false, sizeBytes: 512 * MIB });
    expect(change).toMatchObject({
      differences: ['size', 'stack', 'alwaysRedundant'],
      plan: { grows: 'window', lacks: ['redundancy'] },
    });
    await cell.settle();
    await cell.change({ ...mirrored, alwaysRedundant: true });
    await cell.settle();
    const grown = await cell.volumeNow();
    expect(grown).toMatchObject({ sizeBytes: 512 * MIB, alwaysRedundant: true, state: 'ready', settledGeneration: 3 });
    expect(grown.legs.map(({ sizeBytes }) => sizeBytes / MIB)).toEqual([512, 512]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('demands it, or no more, without any work', async () => {
    await cell.create(mirrored);
    const demanded = await cell.change({ alwaysRedundant: true });
    expect(demanded.change).toMatchObject({ state: 'settled', differences: ['alwaysRedundant'], plan: { steps: [] } });
    expect((await cell.change({ alwaysRedundant: true })).change.differences).toEqual([]);
    await cell.change({ alwaysRedundant: false });
    expect(await cell.volumeNow()).toMatchObject({ alwaysRedundant: false, generation: 3 });
    await cell.create({ name: 'vol-b' });
    expect(await refusalOf(cell.change({ alwaysRedundant: true }, 'vol-b'))).toBe('change-refused');
  });
});

it('is not demanded of a volume that did not ask for it, which grows by way of one leg and says what it lacks', async () => {
  await cell.create(mirrored);
  const { change } = await cell.change({ sizeBytes: 512 * MIB });
  expect(change.plan).toMatchObject({ lacks: ['redundancy'], secondStageAt: expect.any(Number) });
});
