import { beforeEach, describe, expect, it } from 'vitest';
import { SlowCard } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, backUp, check, differences, restore } = settlementsOf(() => cell);
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const legsOnPools = () =>
  cell.pools
    .flatMap(({ items }) => [...items.values()])
    .filter(({ tombstone }) => !tombstone)
    .map(({ legId, role }) => ({ legId, role }));

/** The copy is from while the snapshot is taken; then it is there. */
async function takenSince(): Promise<void> {
  await cell.create({ placement: { cardId: 'card-1' } });
  const card = cell.cardOf({ cardId: 'card-1' });
  const slow = new SlowCard();
  card.play = slow.play;
  const { generation } = await cell.volumeNow();
  const wish = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation, spec: { name: 'monday' } };
  await cell.scheduler.volumes.createSnapshot(wish);
  await cell.settle();
  await backUp();
  slow.isWorking = true;
  await card.goOn();
  await cell.settle();
}

async function takenAndDetachedSince(): Promise<void> {
  await takenSince();
  await cell.detach();
  await cell.settle();
}

async function whatDiffers(): Promise<string[]> {
  const { volumes } = await differences();
  return volumes.flatMap((volume) => volume.differences.map(({ what }) => what));
}

const furtherRoles = [
  'changed since: preparing recorded, current here',
  'changed since: current recorded, frozen here',
];

/** Whatever comes over with another agent, in which nothing differs; @returns the legs as the pools have them */
async function expectPoolsToStay(): Promise<ReturnType<typeof legsOnPools>> {
  await restore();
  expect(await whatDiffers()).toEqual(expect.arrayContaining(furtherRoles));
  const before = legsOnPools();
  await adopt('card-2');
  expect(legsOnPools()).toEqual(before);
  return before;
}

describe('a restored database of which a change was under way, of a volume that its card has yet,', () => {
  it('lets no pool over that knows further which stack carries it: the card may be about to let go of it', async () => {
    await takenSince();
    const before = await expectPoolsToStay();
    // Its card came over, and has told what became of the change.
    expect(await whatDiffers()).toEqual([]);
    const { agents } = await differences();
    await adopt(agents[0]?.id ?? 'nobody');
    expect((await differences()).agents).toEqual([]);
    expect(legsOnPools()).toEqual(before);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', snapshots: [{ state: 'ready' }] });
    expect((await check()).differences).toEqual([]);
  });
});

describe('a restored database of which a change was under way, of a volume that no card has,', () => {
  it('lets no pool over that alone knows which stack carries it, and says so', async () => {
    await takenAndDetachedSince();
    expect(await expectPoolsToStay()).not.toEqual([]);
  });

  it('keeps it detached, upon its overlay', async () => {
    await takenAndDetachedSince();
    await restore();
    const before = legsOnPools();
    // Of another agent: whoever differs in nothing comes over first.
    await adopt('card-2');
    await adopt('vol-a');
    expect(legsOnPools()).toEqual(before);
    expect(before.map(({ role }) => role).toSorted()).toEqual(['current', 'frozen']);
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', snapshots: [{ state: 'ready' }] });
  });

  it('never deletes unasked the one leg that carries it, where its pool did not hear that it does', async () => {
    await cell.create({ placement: { cardId: 'card-1', poolIds: ['pool-1'] } });
    await backUp();
    const card = cell.cardOf({ cardId: 'card-1' });
    const slow = new SlowCard();
    card.play = slow.play;
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    const pool = cell.pools.find(({ id }) => id === 'pool-2');
    if (!pool) throw new Error('there is no pool-2');
    pool.isAway = true;
    slow.isWorking = true;
    await card.goOn();
    await cell.settle();
    await cell.detach();
    await cell.settle();
    pool.isAway = false;
    const before = legsOnPools();
    expect(before.map(({ role }) => role)).toEqual(['preparing']);
    await restore();
    const { volumes } = await differences();
    const [leg] = before;
    const named = { can: true, what: expect.stringContaining(leg?.legId ?? 'none') };
    expect(volumes).toMatchObject([{ adopt: { can: false }, delete: named }]);
    await adopt('card-2');
    expect(legsOnPools()).toEqual(before);
  });
});
