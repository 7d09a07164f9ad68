import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, backUp, check, differences, end, restore } = settlementsOf(() => cell);
beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function expectNothingLeftOn(cardId: string, volumeId: string): Promise<void> {
  const left = cell.cards.find(({ id }) => id === cardId)?.items.get(volumeId);
  expect(left === undefined || left.tombstone).toBe(true);
  expect((await check()).differences).toEqual([]);
  expect(await cell.scheduler.checkReservations()).toEqual([]);
}

describe('a database restored from a backup, with a volume that was failed over since,', () => {
  it.each(['known', 'not known'])(
    'leaves one that is %s to the card that its pools serve, and takes it from the other',
    async (isKnown) => {
      if (isKnown !== 'known') await backUp();
      const { volumeId, cardId, functionId } = await cell.create();
      if (isKnown === 'known') await backUp();
      cell.loseCard(cardId);
      await cell.failover();
      await cell.settle();
      const moved = await cell.volumeNow();
      await restore();
      cell.cardReturns(cardId);
      await cell.settle();
      await adopt(volumeId, 'vol-a');
      expect(await cell.volumeNow()).toMatchObject({
        state: 'ready',
        cardId: moved.cardId,
        functionId: moved.functionId,
        formerCards: [],
      });
      await expectNothingLeftOn(cardId, volumeId);
      const other = await cell.create({ name: 'other', placement: { cardId } });
      expect(other.functionId).toBe(functionId);
    },
  );

  it('keeps it detached when it was detached since, and takes it from the card that is shut out', async () => {
    const { volumeId, cardId } = await cell.create();
    await backUp();
    cell.loseCard(cardId);
    await cell.failover();
    await cell.settle();
    const moved = await cell.volumeNow();
    await cell.detach();
    await cell.settle();
    await restore();
    cell.cardReturns(cardId);
    await cell.settle();
    const { volumes } = await differences();
    expect(volumes).toMatchObject([
      { adopt: { can: true, what: expect.stringContaining(`no card has it but ${cardId}`) } },
    ]);
    await adopt(volumeId, 'vol-a');
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', cardId: moved.cardId, formerCards: [] });
    await expectNothingLeftOn(cardId, volumeId);
    await cell.attach({ cardId });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId, legs: [{ epoch: 3 }] });
    expect((await check()).differences).toEqual([]);
  });

  it.each(['known', 'not known'])(
    'ends by name alone one that is %s, was changed and detached since, and is on a card that is shut out',
    async (isKnown) => {
      if (isKnown !== 'known') await backUp();
      const { volumeId, cardId, functionId } = await cell.create();
      if (isKnown === 'known') await backUp();
      cell.loseCard(cardId);
      await cell.failover();
      await cell.settle();
      await cell.change({ stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } });
      await cell.settle();
      await cell.detach();
      await cell.settle();
      await restore();
      cell.cardReturns(cardId);
      await cell.settle();
      expect(await refusalOf(adopt(volumeId, 'vol-a'))).toBe('diverged');
      await end(volumeId);
      await cell.settle();
      await expectNothingLeftOn(cardId, volumeId);
      expect(await refusalOf(cell.volumeNow(volumeId))).toBe('not-found');
      const other = await cell.create({ name: 'other', placement: { cardId } });
      expect(other.functionId).toBe(functionId);
    },
  );

  it('does so too when it was moved since, and the legs that the old card stands on are gone', async () => {
    const { volumeId, cardId } = await cell.create();
    await backUp();
    cell.loseCard(cardId);
    await cell.failover();
    await cell.settle();
    await cell.change({ stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } });
    await cell.settle();
    const moved = await cell.volumeNow();
    await restore();
    cell.cardReturns(cardId);
    await cell.settle();
    await adopt(volumeId, 'vol-a');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: moved.cardId, formerCards: [] });
    expect((await check()).differences).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
