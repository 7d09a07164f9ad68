import { beforeEach, describe, expect, it } from 'vitest';
import { encrypted } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, backUp, check, differences, end, living, restore } = settlementsOf(() => cell);
beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('a database restored from a backup, with volumes that no card has,', () => {
  it('keeps a volume detached that was detached since, with its bytes where they are', async () => {
    await cell.create({ name: 'rests', stack: { layers: [...encrypted.layers] }, placement: { cardId: 'card-1' } });
    await backUp();
    await cell.detach('rests');
    await cell.settle();
    await restore();
    const { volumes } = await differences();
    expect(volumes).toMatchObject([{ since: 'changed', adopt: { can: true }, delete: { can: false } }]);
    const before = living();
    await adopt('card-1');
    expect(living()).toEqual(before);
    expect(await cell.volumeNow('rests')).toMatchObject({ state: 'detached', attached: false, legs: [{ epoch: 1 }] });
    expect((await check()).differences).toEqual([]);
    await cell.attach({ cardId: 'card-2' }, 'rests');
    await cell.settle();
    expect(await cell.volumeNow('rests')).toMatchObject({ state: 'ready', cardId: 'card-2' });
    expect((await check()).differences).toEqual([]);
  });

  it('takes over a volume that was attached elsewhere since', async () => {
    await cell.create({ name: 'moves', placement: { cardId: 'card-1' } });
    await cell.detach('moves');
    await cell.settle();
    await backUp();
    await cell.attach({ cardId: 'card-2' }, 'moves');
    await cell.settle();
    await restore();
    const before = living();
    await adopt('card-2');
    expect(living()).toEqual(before);
    expect(await cell.volumeNow('moves')).toMatchObject({ state: 'ready', attached: true, cardId: 'card-2' });
    expect((await check()).differences).toEqual([]);
  });

  it('deletes nothing of a volume that was changed and then detached since, unless it is told to', async () => {
    const { volumeId } = await cell.create({ name: 'lost', placement: { cardId: 'card-1' } });
    await backUp();
    await cell.change({ stack: { layers: [...encrypted.layers] } }, 'lost');
    await cell.settle();
    await cell.detach('lost');
    await cell.settle();
    await restore();
    const before = living();
    expect((await adopt('card-1')).refused).toMatchObject([
      { volumeId, why: expect.stringContaining('no card has it') },
    ]);
    expect(living()).toEqual(before);
    await end(volumeId);
    expect(living()).toEqual([]);
    expect(await refusalOf(cell.volumeNow('lost'))).toBe('not-found');
    expect((await check()).differences).toEqual([]);
  });
});
