import type { Caller } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

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
    const { volumes } = await cell.scheduler.settlements.list({ v: 1, caller: admin });
    expect(volumes).toMatchObject([
      { adopt: { can: true, what: expect.stringContaining(`no card has it but ${cardId}`) } },
    ]);
    await adopt(volumeId);
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
      expect(await refusalOf(adopt(volumeId))).toBe('diverged');
      await cell.scheduler.settlements.delete({ ...ask(), id: volumeId });
      await cell.settle();
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
    await adopt(volumeId);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: moved.cardId, formerCards: [] });
    expect((await check()).differences).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
