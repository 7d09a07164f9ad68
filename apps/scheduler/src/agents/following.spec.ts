import { beforeEach, describe, expect, it } from 'vitest';
import { aSpec } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
const create = () => cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
const agents = () => [...cell.cards, ...cell.pools];

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
