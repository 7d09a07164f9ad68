import type { DesiredVolume, InspectAnswer } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { aCard, aSpec } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

const encrypted = { layers: [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }] };
const mirror = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };
let cell: MemoryCell;
const { adopt, backUp, check, differences, end, restore } = settlementsOf(() => cell);
beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function write(name: string) {
  const { generation } = await cell.volumeNow(name);
  return { ...cell.asked(), volume: name, basedOnGeneration: generation };
}
async function take(snapshot: string, name = 'vol-a'): Promise<void> {
  await cell.scheduler.volumes.createSnapshot({ ...(await write(name)), spec: { name: snapshot } });
  await cell.settle();
}
async function drop(snapshot: string, name = 'vol-a'): Promise<void> {
  await cell.scheduler.volumes.deleteSnapshot({ ...(await write(name)), snapshot });
  await cell.settle();
}
async function clone(snapshot: string, name = 'copy'): Promise<string> {
  const fromSnapshot = { volume: 'vol-a', snapshot };
  const { volume } = await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec({ name, fromSnapshot }) });
  await cell.settle();
  return volume.volumeId;
}
async function detached(name = 'vol-a'): Promise<void> {
  await cell.detach(name);
  await cell.settle();
}
async function removed(name: string): Promise<void> {
  await cell.scheduler.volumes.delete(await write(name));
  await cell.settle();
}
async function changed(patch: Parameters<MemoryCell['change']>[0], name = 'vol-a'): Promise<void> {
  await cell.change(patch, name);
  await cell.settle();
}
const legIdsOnPools = () =>
  cell.pools
    .flatMap(({ items }) => [...items.values()].filter(({ tombstone }) => !tombstone))
    .map(({ legId }) => legId)
    .toSorted();
const withoutOrigin = ({ origin: _origin, ...base }: NonNullable<DesiredVolume['bases']>[number]) => base;
function untold({ kept: _kept, bases, ...item }: DesiredVolume): DesiredVolume {
  return { ...item, ...(bases ? { bases: bases.map(withoutOrigin) } : {}) };
}
/** As a scheduler from before snapshots were told of would have given it. */
function toldNothingOfSnapshots(): void {
  const honest = cell.inspect;
  cell.inspect = (role, id): InspectAnswer => {
    const answer = honest(role, id);
    return { ...answer, given: { ...answer.given, volumes: answer.given.volumes.map(untold) } };
  };
}
async function nothingDiffers(): Promise<void> {
  expect([...cell.cards, ...cell.pools].filter(({ isDiverged }) => isDiverged)).toEqual([]);
  expect((await check()).differences).toEqual([]);
  expect(await cell.scheduler.checkReservations()).toEqual([]);
}

describe('a database restored to a copy from before a snapshot', () => {
  it('has it again with the volume, as its card was told: its name, its legs, its key, and what it lies on', async () => {
    await backUp();
    const { volumeId } = await cell.create({ stack: encrypted });
    await take('monday');
    await take('tuesday');
    // Both lie beside what the volume stands on now.
    await changed({ stack: mirror, acknowledgeSnapshots: true });
    const before = await cell.volumeNow();
    const legs = legIdsOnPools();
    await restore();
    const [found] = (await differences()).volumes;
    expect(found?.adopt).toMatchObject({
      can: true,
      what: expect.stringContaining('with its snapshots monday (snap-'),
    });
    for (const legId of legs) expect(found?.delete).toMatchObject({ can: true, what: expect.stringContaining(legId) });
    await adopt(volumeId, 'vol-a');
    expect((await cell.volumeNow()).snapshots).toEqual(before.snapshots);
    expect(legIdsOnPools()).toEqual(legs);
    await nothingDiffers();
    await clone('tuesday');
    expect(await cell.volumeNow('copy')).toMatchObject({ state: 'ready', stack: encrypted });
    await removed('copy');
    await detached();
    await cell.scheduler.volumes.rollback({ ...(await write('vol-a')), snapshot: 'monday' });
    await cell.settle();
    await cell.attach();
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', stack: encrypted });
    await nothingDiffers();
  });

  it('keeps it when the volume that lies on it is made flat, and lets go of one that was deleted since', async () => {
    await cell.create();
    await take('monday');
    await backUp();
    await take('tuesday');
    await drop('monday');
    await restore();
    await adopt('vol-a');
    expect((await cell.volumeNow()).snapshots).toMatchObject([{ name: 'tuesday', state: 'ready' }]);
    await changed({ stack: mirror });
    expect(legIdsOnPools()).toHaveLength(4);
    await drop('tuesday');
    expect(legIdsOnPools()).toHaveLength(2);
    await nothingDiffers();
  });

  it('has it by its id where its card was told nothing, and what nobody can put together as one that is only deleted', async () => {
    await backUp();
    const { volumeId } = await cell.create({ stack: encrypted });
    await take('monday');
    await changed({ stack: { layers: [] }, acknowledgeSnapshots: true });
    await take('tuesday');
    const legs = legIdsOnPools();
    await restore();
    toldNothingOfSnapshots();
    expect((await differences()).volumes[0]?.adopt.what).toMatch(/kept for a snapshot that nobody can put together/);
    await adopt(volumeId, 'vol-a');
    expect(legIdsOnPools()).toEqual(legs);
    const { snapshots } = await cell.volumeNow();
    expect(snapshots.map(({ state }) => state)).toEqual(['ready', 'deleting']);
    expect(snapshots.every(({ name, snapshotId }) => name === snapshotId)).toBe(true);
    expect(await refusalOf(clone(snapshots[1]?.name ?? ''))).toBe('change-refused');
    for (const { name } of snapshots) await drop(name);
    expect(legIdsOnPools()).toHaveLength(1);
    await nothingDiffers();
  });

  it('deletes the volume with all of it, its snapshots too, when it is told to', async () => {
    await backUp();
    const { volumeId } = await cell.create({ stack: encrypted });
    await take('monday');
    await changed({ stack: mirror, acknowledgeSnapshots: true });
    const legs = legIdsOnPools();
    await restore();
    const [found] = (await differences()).volumes;
    expect(found?.delete.what).toContain('its snapshots go with it: monday');
    for (const legId of legs) expect(found?.delete.what).toContain(legId);
    await end(volumeId);
    expect(legIdsOnPools()).toEqual([]);
    await nothingDiffers();
  });

  it('deletes nothing of it while a clone reads from it, and names that', async () => {
    await backUp();
    const { volumeId } = await cell.create();
    await take('monday');
    const copyId = await clone('monday');
    await restore();
    const ofSource = async () => (await differences()).volumes.find((one) => one.volumeId === volumeId);
    expect((await ofSource())?.delete).toMatchObject({ can: false, what: expect.stringContaining(copyId) });
    expect(await refusalOf(end(volumeId))).toBe('diverged');
    await end(copyId);
    // It runs until its card follows, which it does with the last that is settled there.
    expect((await ofSource())?.delete.can).toBe(false);
    await adopt(volumeId, 'vol-a');
    expect(legIdsOnPools()).toHaveLength(2);
    await drop('monday');
    await removed('vol-a');
    expect(legIdsOnPools()).toEqual([]);
    await nothingDiffers();
  });
});

describe('a snapshot whose key its card alone can open, since the database was restored', () => {
  const otherKey = `X${'C'.repeat(55)}`;
  beforeEach(async () => {
    await backUp();
    const { volumeId } = await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    await restore();
    await adopt(volumeId, 'vol-a');
    // Its own key is a new one from then on.
    await changed({ rekey: { from: (await cell.volumeNow()).keyRef ?? '' }, acknowledgeSnapshots: true });
  });

  it('keeps its volume on that card, but for a failover, after which it is only deleted', async () => {
    cell.scheduler.hearCardSnapshot(aCard('card-2', { sealingKey: otherKey }));
    await cell.scheduler.idle();
    await detached();
    await expect(cell.attach({ cardId: 'card-2' })).rejects.toThrow(/alone can open monday/);
    await cell.attach({ cardId: 'card-1' });
    await cell.settle();
    expect((await cell.volumeNow()).snapshots).toMatchObject([{ state: 'ready' }]);
    cell.loseCard('card-1');
    await cell.failover();
    await cell.settle();
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ cardId: 'card-2', snapshots: [{ state: 'deleting' }] });
    await drop('monday');
    expect(legIdsOnPools()).toHaveLength(1);
    await nothingDiffers();
  });

  it('keeps no key of the volume from being sealed anew for its card', async () => {
    cell.warned = [];
    cell.scheduler.hearCardSnapshot(aCard('card-1', { sealingKey: otherKey }));
    await cell.scheduler.idle();
    await cell.settle();
    const { volumeId, snapshots } = await cell.volumeNow();
    const given = cell.cards[0]?.items.get(volumeId);
    expect(given?.stack.encryptionKey?.sealedKey.sealed).toBe('sealed-for-XCCC');
    expect(snapshots).toMatchObject([{ state: 'deleting' }]);
    expect(cell.warned).toEqual([]);
  });
});

describe('a database restored to a copy from before a clone', () => {
  it.each([
    ['as its card was told', false],
    ['as its pools tell, where its card was told nothing', true],
  ])('adopts it on the snapshot that it reads from, %s', async (_, isUntold) => {
    await backUp();
    const { volumeId } = await cell.create({ stack: encrypted });
    await take('monday');
    const copyId = await clone('monday');
    const legs = legIdsOnPools();
    await restore();
    if (isUntold) toldNothingOfSnapshots();
    await adopt(copyId, 'copy');
    await adopt(volumeId, 'vol-a');
    expect(legIdsOnPools()).toEqual(legs);
    const { snapshots } = await cell.volumeNow();
    const [{ snapshotId, name } = { snapshotId: '', name: '' }] = snapshots;
    expect(await cell.volumeNow('copy')).toMatchObject({ state: 'ready', standsOn: { volumeId, snapshotId } });
    await nothingDiffers();
    expect(await refusalOf(drop(name))).toBe('change-refused');
    await changed({ stack: mirror }, 'copy');
    await drop(name);
    expect((await cell.volumeNow()).snapshots).toEqual([]);
    await nothingDiffers();
  });

  it('deletes it with its own legs alone', async () => {
    await cell.create();
    await take('monday');
    await backUp();
    const legs = legIdsOnPools();
    const copyId = await clone('monday');
    await restore();
    const [found] = (await differences()).volumes;
    expect(found?.adopt.what).toContain('it is a clone and reads from snap-');
    for (const legId of legs) expect(found?.delete.what).not.toContain(legId);
    await end(copyId);
    expect(legIdsOnPools()).toEqual(legs);
    await nothingDiffers();
  });
});

describe('a database restored to a copy from before a volume was rolled back', () => {
  beforeEach(async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    await backUp();
    await detached();
    await cell.scheduler.volumes.rollback({ ...(await write('vol-a')), snapshot: 'monday' });
    await cell.settle();
  });

  it('keeps it detached for its snapshots, to one of which it is rolled back again', async () => {
    const legs = legIdsOnPools();
    await restore();
    expect((await differences()).volumes).toMatchObject([
      { since: 'changed', adopt: { can: true, what: expect.stringContaining('nobody can put together how') } },
    ]);
    await adopt('card-1');
    expect(legIdsOnPools()).toEqual(legs);
    await nothingDiffers();
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', lost: true });
    await expect(cell.attach()).rejects.toThrow(/roll it back to a snapshot \(monday\)/);
    await cell.scheduler.volumes.rollback({ ...(await write('vol-a')), snapshot: 'monday' });
    await cell.settle();
    expect(legIdsOnPools()).toHaveLength(2);
    await cell.attach();
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', lost: false, stack: encrypted });
    await nothingDiffers();
  });

  it('deletes it when it is told to, after the clones that read from it', async () => {
    const copyId = await clone('monday');
    await restore();
    const ofSource = (await differences()).volumes.find(({ volumeId }) => volumeId !== copyId);
    expect(ofSource?.delete).toMatchObject({ can: false, what: expect.stringContaining(copyId) });
    await adopt('vol-a');
    await adopt(copyId, 'copy');
    await nothingDiffers();
    await expect(removed('vol-a')).rejects.toThrow(/clones read from it/);
    await removed('copy');
    await removed('vol-a');
    expect(legIdsOnPools()).toEqual([]);
    await nothingDiffers();
  });

  it('lets no clone be made of a snapshot that goes with it, until that was taken back', async () => {
    await restore();
    await adopt('vol-a');
    await nothingDiffers();
    await cell.pause(null);
    const { change } = await cell.scheduler.volumes.delete(await write('vol-a'));
    await cell.settle();
    expect((await cell.volumeNow()).snapshots).toMatchObject([{ name: 'monday', state: 'deleting' }]);
    await expect(clone('monday')).rejects.toThrow(/monday of volume vol-a is deleting/);
    await cell.cancel(change.changeId);
    await cell.resume(null);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ lost: true, snapshots: [{ name: 'monday', state: 'ready' }] });
    await clone('monday');
    await removed('copy');
    await removed('vol-a');
    expect(legIdsOnPools()).toEqual([]);
    await nothingDiffers();
  });
});
