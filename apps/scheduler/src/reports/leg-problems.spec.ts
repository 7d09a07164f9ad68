import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, type FakePool, legReport, SlowCard } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';

const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });
const busy = { code: 'data-plane-failed' as const, detail: 'disk busy' };

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

function poolOf(id: string): FakePool {
  const pool = cell.pools.find((one) => one.id === id);
  if (!pool) throw new Error(`there is no ${id}`);
  return pool;
}

/** It cannot delete a leg at first. */
function hindered(id: string): { tryAgain: () => Promise<void>; mend: () => Promise<void> } {
  const pool = poolOf(id);
  const { play } = pool;
  pool.play = (item) => (item.tombstone ? [{ ...legReport(item, 'working'), problem: busy }] : play(item));
  const tryAgain = async () => {
    for (const item of pool.items.values()) for (const report of pool.play(item)) await pool.say(report);
    await cell.settle();
  };
  const mend = () => {
    pool.play = play;
    return tryAgain();
  };
  return { tryAgain, mend };
}

describe('what a pool says is in its way', () => {
  it('takes no place of the reason for which a change is taken back, and is what is waited for', async () => {
    await cell.create(toPool('pool-1'));
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await cell.change(toPool('pool-2'));
    await cell.cancel(change.changeId);
    const { tryAgain, mend } = hindered('pool-2');
    for (const pool of cell.pools) pool.isAway = false;
    await cell.settle();
    await tryAgain();
    const under = await cell.changeNow(change.changeId);
    expect(under).toMatchObject({ state: 'undoing', problem: { code: 'cancelled' } });
    expect(under.waitingFor).toMatch(/^pool pool-2 to delete leg-.*: disk busy$/);
    await cell.restart();
    expect((await cell.changeNow(change.changeId)).waitingFor).toBe(under.waitingFor);
    await mend();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', problem: { code: 'cancelled' } });
  });

  it('is shown by a change that is completed, until it is overcome', async () => {
    await cell.create(toPool('pool-1'));
    const { mend } = hindered('pool-1');
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'retiring', problem: busy });
    await mend();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', problem: null });
  });

  it('is none of a change that was taken back, and is shown by one that settled until that pool is over it', async () => {
    const slow = new SlowCard();
    const { changeId } = await cell.create(toPool('pool-1'));
    const pool = poolOf('pool-1');
    const [item] = pool.items.values();
    if (!item || changeId === null) throw new Error('pool-1 has no leg');
    await pool.say({ ...legReport(item, 'working'), problem: busy });
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'settled', problem: busy });
    await pool.say(legReport(item, 'ready'));
    expect((await cell.changeNow(changeId)).problem).toBeNull();
    for (const card of cell.cards) card.play = slow.play;
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    await cell.cancel(change.changeId);
    await cell.settle();
    await pool.say({ ...legReport(item, 'working'), problem: busy });
    await pool.say(legReport(item, 'ready'));
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', problem: { code: 'cancelled' } });
  });
});

describe('what a card says of a volume at rest', () => {
  it('is shown by the change that settled, until the card says that it is as it should be', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const [item] = card.items.values();
    if (!item || volume.changeId === null) throw new Error('the card has nothing');
    const problem = { code: 'change-refused' as const, detail: 'it has 512 bytes and cannot shrink to 256' };
    await card.say({ ...cardReport(item, 'working'), waitingFor: `a plan: ${problem.detail}`, problem });
    expect(await cell.changeNow(volume.changeId)).toMatchObject({ state: 'settled', problem });
    expect((await cell.volumeNow()).state).toBe('ready');
    await card.say(cardReport(item, 'settled'));
    expect((await cell.changeNow(volume.changeId)).problem).toBeNull();
  });

  it('is not shown where it is only looked at again', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const [item] = card.items.values();
    if (!item || volume.changeId === null) throw new Error('the card has nothing');
    const problem = { code: 'step-failed' as const, detail: 'in transition', facts: { lookAgain: true } };
    await card.say({ ...cardReport(item, 'working'), waitingFor: 'a plan', problem });
    expect((await cell.changeNow(volume.changeId)).problem).toBeNull();
  });
});
