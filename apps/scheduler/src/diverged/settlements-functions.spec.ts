import { beforeEach, describe, expect, it } from 'vitest';
import { SlowCard, succeed } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, backUp, check, differences, restore } = settlementsOf(() => cell);
beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function expectAgreement(): Promise<void> {
  expect((await check()).differences).toEqual([]);
  expect(await cell.scheduler.checkReservations()).toEqual([]);
}

describe('a restored database that holds a function for a volume that has left it since', () => {
  it('takes over whose it is by now, also where the other differs in nothing', async () => {
    const { functionId } = await cell.create({ placement: { cardId: 'card-1' } });
    const card = cell.cardOf({ cardId: 'card-1' });
    const slow = new SlowCard();
    card.play = slow.play;
    await cell.attach({ functionId: 'vf-1' });
    await cell.settle();
    await backUp();
    // It ends under the order that the copy knows.
    slow.isWorking = true;
    await card.goOn();
    await cell.settle();
    card.play = succeed;
    const other = await cell.create({ name: 'other', placement: { cardId: 'card-1' } });
    expect(other.functionId).toBe(functionId);
    await restore();
    expect((await differences()).volumes.map(({ volumeId }) => volumeId)).toEqual([other.volumeId]);
    await adopt(other.volumeId, 'other');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', functionId: 'vf-1' });
    expect(await cell.volumeNow('other')).toMatchObject({ state: 'ready', functionId });
    await expectAgreement();
    const third = await cell.create({ name: 'third', placement: { cardId: 'card-1' } });
    expect(third.functionId).toBe('vf-2');
  });

  it.each([{ ids: ['vol-a', 'vol-b'] }, { ids: ['vol-b', 'vol-a'] }, { ids: ['card-1'] }])(
    'takes over two that have each the function of the other by now: $ids',
    async ({ ids }) => {
      const first = await cell.create({ name: 'vol-a', placement: { cardId: 'card-1' } });
      const second = await cell.create({ name: 'vol-b', placement: { cardId: 'card-1' } });
      await backUp();
      for (const [name, functionId] of [
        ['vol-a', 'vf-2'],
        ['vol-b', first.functionId],
        ['vol-a', second.functionId],
      ] as const) {
        await cell.attach({ functionId }, name);
        await cell.settle();
      }
      await restore();
      for (const id of ids) expect((await adopt(id)).refused).toEqual([]);
      expect(await cell.volumeNow('vol-a')).toMatchObject({ state: 'ready', functionId: second.functionId });
      expect(await cell.volumeNow('vol-b')).toMatchObject({ state: 'ready', functionId: first.functionId });
      await expectAgreement();
      const third = await cell.create({ name: 'third', placement: { cardId: 'card-1' } });
      expect(third.functionId).toBe('vf-2');
    },
  );

  it('takes over one on the function of another that was failed over, and whose former card has closed it since', async () => {
    const { cardId, functionId } = await cell.create();
    cell.loseCard(cardId);
    await cell.failover();
    await cell.settle();
    await backUp();
    cell.cardReturns(cardId);
    await cell.settle();
    const other = await cell.create({ name: 'other', placement: { cardId } });
    expect(other.functionId).toBe(functionId);
    await restore();
    await adopt(other.volumeId, 'other');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', formerCards: [] });
    expect(await cell.volumeNow('other')).toMatchObject({ state: 'ready', cardId, functionId });
    await expectAgreement();
  });
});
