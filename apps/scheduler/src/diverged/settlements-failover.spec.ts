import type { Caller } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCell } from '../testing/memory-cell.js';

const admin: Caller = { name: 'root', role: 'admin', tenantId: null };
let cell: MemoryCell;
let asked = 0;
const ask = () => ({ v: 1 as const, caller: admin, idempotencyKey: `settle-${(asked += 1)}` });
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const backUp = () => cell.scheduler.backups.create({ ...ask(), name: 'before' });
async function restore(): Promise<void> {
  await cell.scheduler.backups.restore({ ...ask(), name: 'before' });
  await cell.settle();
}
async function adopt(id: string): Promise<void> {
  await cell.scheduler.settlements.adopt({ ...ask(), id, tenantId: 'acme', name: 'vol-a' });
  await cell.settle();
}
const check = () => cell.scheduler.checks.run({ caller: admin });

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
      await adopt(volumeId);
      expect(await cell.volumeNow()).toMatchObject({
        state: 'ready',
        cardId: moved.cardId,
        functionId: moved.functionId,
        formerCards: [],
      });
      const left = cell.cards.find(({ id }) => id === cardId)?.items.get(volumeId);
      expect(left === undefined || left.tombstone).toBe(true);
      expect((await check()).differences).toEqual([]);
      expect(await cell.scheduler.checkReservations()).toEqual([]);
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
    await adopt(volumeId);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: moved.cardId, formerCards: [] });
    expect((await check()).differences).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
