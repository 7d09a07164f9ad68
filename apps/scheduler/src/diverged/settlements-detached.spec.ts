import type { Caller, Divergence, Settled } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { encrypted } from '../testing/fixtures.js';
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
const differences = (): Promise<Divergence> => cell.scheduler.settlements.list({ v: 1, caller: admin });
async function adopt(id: string): Promise<Settled> {
  const settled = await cell.scheduler.settlements.adopt({ ...ask(), id, tenantId: 'acme' });
  await cell.settle();
  return settled;
}
async function end(id: string): Promise<void> {
  await cell.scheduler.settlements.delete({ ...ask(), id });
  await cell.settle();
}
const check = () => cell.scheduler.checks.run({ caller: admin });
/** The operations of all that lives: what an agent does under the same one is what it did. */
const living = (): string[] =>
  [...cell.cards, ...cell.pools]
    .flatMap(({ items }) => [...items.values()])
    .filter((item) => !item.tombstone)
    .map(({ operationId }) => operationId)
    .toSorted();

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
