import { beforeEach, describe, expect, it } from 'vitest';
import type { Caller } from '@flexbso/contracts';
import { aSpec } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
const create = () => cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
const agents = () => [...cell.cards, ...cell.pools];
const admin: Caller = { name: 'root', role: 'admin', tenantId: null };
const standing = () => cell.scheduler.settlements.list({ v: 1, caller: admin });
const whyNot = async () => {
  const [outcome] = await Promise.allSettled([create()]);
  return String(outcome.status === 'rejected' ? outcome.reason : 'created');
};

/** Cards and pools are registered, and none of them was heard by this life of the database. */
beforeEach(async () => {
  cell = new MemoryCell();
  await cell.scheduler.start();
});

describe('what was not heard by this life of the database', () => {
  it('gets nothing new before it has said that it follows it; a new agent says so with its second question', async () => {
    expect(await refusalOf(create())).toBe('no-placement');
    for (const agent of agents()) await agent.catchUp();
    expect(await refusalOf(create())).toBe('no-placement');
    for (const agent of agents()) await agent.catchUp();
    expect(await refusalOf(create())).toBeNull();
  });

  it('is told apart from what follows another life: it is to be waited for', async () => {
    const [estranged, ...others] = cell.pools;
    for (const agent of [...cell.cards, ...others]) await agent.catchUp();
    if (estranged) estranged.incarnation = '018f2f60-0000-4000-8000-000000000001';
    await estranged?.catchUp();
    expect(await whyNot()).toContain(
      'card-unheard excludes 2 of 2 cards (card-1, card-2), which the scheduler has not heard yet: try again',
    );
    for (const card of cell.cards) await card.catchUp();
    expect(await whyNot()).toMatch(
      /pool-unheard excludes 2 of 3 pools \(pool-2, pool-3\).*pool-diverged excludes 1 of 3/,
    );
    expect(await standing()).toMatchObject({
      following: 2,
      unheard: [
        { role: 'pool', id: 'pool-2' },
        { role: 'pool', id: 'pool-3' },
      ],
      agents: [{ role: 'pool', id: 'pool-1' }],
    });
    for (const agent of others) await agent.catchUp();
    expect(await standing()).toMatchObject({ following: 4, unheard: [], agents: [{ id: 'pool-1' }] });
    expect(await refusalOf(create())).toBeNull();
  });

  it('gets nothing new while it follows another, whose volumes these books do not know', async () => {
    for (const agent of agents()) agent.incarnation = '018f2f60-0000-4000-8000-000000000001';
    expect(await refusalOf(create())).toBe('no-placement');
    await cell.meet();
    expect(await refusalOf(create())).toBe('no-placement');
  });

  it('is known to follow it after a restart of the scheduler, before it is heard again', async () => {
    await cell.meet();
    await cell.restart();
    expect(await refusalOf(create())).toBeNull();
  });

  it('is not known to follow one that an operator has begun for a copy from before its first question', async () => {
    await cell.meet();
    await cell.store.renewIncarnation();
    await cell.restart();
    expect(await refusalOf(create())).toBe('no-placement');
  });
});
