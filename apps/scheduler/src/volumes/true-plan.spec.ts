import { MAX_SNAPSHOTS, planSchema } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { readAggregate } from '../store/commit.js';
import { aCard, aPool, aSpec, encrypted, MIB, operator, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { proposeDelete } from './propose-change.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const mirror = { kind: 'raid1', legCount: 3, safeRead: false } as const;
const mirrored = { layers: [mirror] };
async function based(volume = 'vol-a') {
  return { volume, basedOnGeneration: (await cell.volumeNow(volume)).generation };
}
async function take(...names: string[]): Promise<void> {
  for (const name of names) {
    await cell.scheduler.volumes.createSnapshot({ ...cell.asked(), ...(await based()), spec: { name } });
    await cell.settle();
  }
}
const deletionOf = async (snapshot: string) =>
  cell.scheduler.volumes.planDeleteSnapshot({ ...reader, ...(await based()), snapshot });
const changeOf = async (patch: { labels?: Record<string, string>; alwaysRedundant?: boolean }) =>
  cell.scheduler.volumes.planChange({ ...reader, ...(await based()), patch });

describe('a plan without steps', () => {
  it('names the snapshot that goes by it, and what becomes different', async () => {
    await cell.create();
    await take('s1', 's2');
    const [first] = (await cell.volumeNow()).snapshots;
    const plan = await deletionOf('s1');
    expect(plan).toMatchObject({ steps: [], differences: ['snapshot'] });
    expect(plan.destroys).toEqual([`snapshot s1 (${first?.snapshotId})`]);
    expect((await changeOf({ labels: { app: 'shop' } })).differences).toEqual(['labels']);
    expect((await changeOf({})).differences).toEqual([]);
  });

  it('is bound to what it was made for, and to nothing else', async () => {
    await cell.create();
    await take('s1', 's2', 's3');
    const { digest } = await deletionOf('s1');
    const deletes = async (snapshot: string) =>
      cell.scheduler.volumes.deleteSnapshot({ ...cell.asked(), ...(await based()), snapshot, planDigest: digest });
    expect(await refusalOf(deletes('s2'))).toBe('plan-changed');
    expect((await deletes('s1')).change.plan.digest).toBe(digest);
    await cell.settle();
    expect((await cell.volumeNow()).snapshots.map(({ name }) => name)).toEqual(['s2', 's3']);
  });

  it('has another digest for each wish and each volume, and the same one for the same', async () => {
    await cell.create();
    await cell.create({ name: 'vol-b' });
    const patch = { labels: { app: 'shop' } };
    const { digest } = await changeOf(patch);
    expect((await changeOf(patch)).digest).toBe(digest);
    expect((await changeOf({ labels: { app: 'other' } })).digest).not.toBe(digest);
    const other = { ...reader, ...(await based('vol-b')), patch };
    expect((await cell.scheduler.volumes.planChange(other)).digest).not.toBe(digest);
    const asked = { ...cell.asked(), ...(await based()), planDigest: digest };
    const another = { labels: { app: 'other' } };
    expect(await refusalOf(cell.scheduler.volumes.change({ ...asked, patch: another }))).toBe('plan-changed');
    expect((await cell.scheduler.volumes.change({ ...asked, ...cell.asked(), patch })).change.plan.digest).toBe(digest);
  });
});

describe('a plan', () => {
  it('says that a guest may wait while a snapshot is written back, and which one is destroyed by it', async () => {
    await cell.create();
    await take('s1');
    const [first] = (await cell.volumeNow()).snapshots;
    const plan = await deletionOf('s1');
    expect(plan.guestFeels).toContain('3 s at most');
    expect(plan.destroys).toContain(`snapshot s1 (${first?.snapshotId})`);
    expect(plan.destroys).toContain('state of stack 1');
  });

  it('of two stages says what is absent in between, and what for good', async () => {
    await cell.create({ stack: { layers: [...encrypted.layers, mirror] } });
    const { change } = await cell.change({ sizeBytes: 512 * MIB, stack: mirrored });
    expect(change.plan).toMatchObject({ lacks: ['redundancy', 'encryption'], lacksAfter: ['encryption'] });
  });

  it('of one stage says that what it lacks it lacks from then on', async () => {
    await cell.create({ stack: { layers: [...encrypted.layers] } });
    const { change } = await cell.change({ stack: { layers: [] } });
    expect(change.plan).toMatchObject({ lacks: ['encryption'], lacksAfter: ['encryption'] });
  });

  it('of a clone says that it is not safe in a crash', async () => {
    await cell.create();
    await take('s1');
    const spec = aSpec({ name: 'copy', fromSnapshot: { volume: 'vol-a', snapshot: 's1' } });
    const plan = await cell.scheduler.volumes.planCreate({ ...reader, spec });
    expect(plan.lacks).toEqual(['crash-safety']);
    expect((await cell.scheduler.volumes.planCreate({ ...reader, spec: aSpec({ name: 'new' }) })).lacks).toEqual([]);
  });

  it('of a move to another function says that both are held, and where the device is if that fails', async () => {
    const { cardId, functionId } = await cell.create();
    const other = aCard(cardId).functions.find((one) => one.functionId !== functionId)?.functionId ?? '';
    const { plan } = (await cell.attach({ functionId: other })).change;
    const card = plan.reservations.find(({ owner }) => owner.role === 'card');
    expect(card?.functionIds).toEqual({
      before: [functionId],
      during: [functionId, other].toSorted(),
      after: [other],
    });
    expect(plan.guestFeels).toContain(`where that fails, on ${functionId} again`);
  });
});

describe('a volume whose client cannot be told of a new size', () => {
  beforeEach(() => {
    for (const { id } of cell.cards) {
      const card = aCard(id);
      const has = card.capabilities.has.map((one) =>
        one.name === 'live-grow' ? { ...one, limits: { frontEnd: 'virtio-blk' } } : one,
      );
      cell.scheduler.hearCardSnapshot({ ...card, capabilities: { ...card.capabilities, has } });
    }
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
  });

  it('is not grown in place, nor by way of a leg that grows in place, and keeps the leg that it has', async () => {
    const { volumeId } = await cell.create({ protocol: 'nbd', placement: { poolIds: ['pool-1'] } });
    const why = 'can tell a guest of a new size over virtio-blk only';
    await expect(cell.change({ sizeBytes: 512 * MIB })).rejects.toThrow(why);
    await expect(cell.change({ sizeBytes: 512 * MIB, stack: mirrored })).rejects.toThrow(why);
    const now = await cell.volumeNow();
    expect(now).toMatchObject({ sizeBytes: 256 * MIB, state: 'ready', generation: 1 });
    expect(now.legs.map(({ sizeBytes }) => sizeBytes / MIB)).toEqual([256]);
    const held = await cell.store.read((store) => store.reservationsOf(volumeId));
    expect(held.find(({ ownerRole }) => ownerRole === 'pool')?.capacityBytes).toBe(256 * MIB);
  });

  it('is grown in place where it is shown over what can tell', async () => {
    await cell.create({ protocol: 'virtio-blk', placement: { poolIds: ['pool-1'] } });
    const { change } = await cell.change({ sizeBytes: 512 * MIB });
    expect(change.plan.grows).toBe('in-place');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 512 * MIB, state: 'ready' });
  });
});

describe('a demand for redundancy at all times', () => {
  it('lets a volume be rolled back to a larger snapshot, for which no stage is without it', async () => {
    await cell.create({ stack: mirrored });
    await take('small');
    await cell.change({ sizeBytes: 512 * MIB });
    await cell.settle();
    await take('large');
    await cell.change({ alwaysRedundant: true });
    await cell.detach();
    await cell.settle();
    for (const [snapshot, size] of [
      ['small', 256],
      ['large', 512],
    ] as const) {
      await cell.scheduler.volumes.rollback({
        v: 1,
        caller: operator,
        idempotencyKey: snapshot,
        ...(await based()),
        snapshot,
      });
      await cell.settle();
      expect((await cell.volumeNow()).sizeBytes).toBe(size * MIB);
    }
  });

  it('may come with the growth onto a redundant stack, of a volume that has nothing to lose by one leg', async () => {
    await cell.create();
    const { change } = await cell.change({ sizeBytes: 512 * MIB, stack: mirrored, alwaysRedundant: true });
    expect(change.plan.lacks).toEqual([]);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 512 * MIB, alwaysRedundant: true, stack: mirrored });
  });
});

const newId = (kind: string) => `${kind}-0123456789`;

describe('the deletion of a volume that is kept for its snapshots', () => {
  it('has a plan that can be said, however many there are with keys of their own', async () => {
    const layers = [...encrypted.layers];
    await cell.create({ stack: { layers } });
    for (let taken = 0; taken < MAX_SNAPSHOTS; taken += 1) {
      await take(`s${taken}`);
      if (taken % 7 !== 6) continue;
      const { keyRef } = await cell.volumeNow();
      await cell.change({ rekey: { from: keyRef ?? '' }, acknowledgeSnapshots: true });
      await cell.settle();
    }
    const { volumeId } = await cell.volumeNow();
    const present = await cell.store.read((reading) => readAggregate(reading, volumeId));
    if (!present) throw new Error('there is no such volume');
    const want = { ...present.volume.want, lost: true as const, detached: true as const };
    const lost = { ...present, volume: { ...present.volume, want } };
    const deciding = { nowMs: 1, newId, copyBytesPerSecond: 1, pauseOf: () => null };
    const { plan } = proposeDelete({ fleet: cell.fleet, deciding }, lost, { caller: operator, trace: {} }).change;
    expect(plan.destroys.filter((one) => one.startsWith('snapshot '))).toHaveLength(MAX_SNAPSHOTS);
    expect(planSchema.parse(plan).destroys).toEqual(plan.destroys);
  });
});
