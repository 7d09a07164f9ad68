import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, aSpec, fleetOperator } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const encrypted = { layers: [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }] };
const mirror = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };
const fromSnapshot = { volume: 'vol-a', snapshot: 'monday' };
let cell: MemoryCell;

beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function asked(name = 'vol-a') {
  const { generation } = await cell.volumeNow(name);
  return { ...cell.asked(), volume: name, basedOnGeneration: generation };
}
async function take(name: string): Promise<void> {
  await cell.scheduler.volumes.createSnapshot({ ...(await asked()), spec: { name } });
  await cell.settle();
}
async function detached(name = 'vol-a'): Promise<void> {
  await cell.detach(name);
  await cell.settle();
}
const givenTo = async (cardId: string, name = 'vol-a') => {
  const { volumeId } = await cell.volumeNow(name);
  return cell.cardOf({ cardId }).items.get(volumeId);
};
const epochs = async () => (await cell.volumeNow()).legs.map(({ epoch }) => epoch);
const onPools = () => cell.pools.flatMap(({ items }) => [...items.values()]).filter(({ tombstone }) => !tombstone);
const frozenOnPools = () =>
  onPools()
    .filter(({ role }) => role === 'frozen')
    .map(({ legId }) => legId);
async function nothingDiffers(): Promise<void> {
  expect(await cell.scheduler.checkReservations()).toEqual([]);
  expect((await cell.scheduler.checks.run({ caller: fleetOperator })).differences).toEqual([]);
}

describe('a detached volume with snapshots', () => {
  it('keeps all of its legs, and is the same chain again on the same card', async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    await take('tuesday');
    const { legs } = await cell.volumeNow();
    await detached();
    expect((await cell.volumeNow()).legs.map(({ legId }) => legId)).toEqual(legs.map(({ legId }) => legId));
    await nothingDiffers();
    await cell.attach({});
    await cell.settle();
    expect(await givenTo('card-1')).toMatchObject({
      carriedStackGeneration: 3,
      bases: [{ stackGeneration: 2 }, { stackGeneration: 1 }],
    });
    expect(await epochs()).toEqual([1, 1, 1]);
    await nothingDiffers();
  });

  it('has every leg of the chain, and of snapshots beside it, fenced and served to another card', async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    await cell.change({ stack: mirror });
    await cell.settle();
    await take('tuesday');
    await detached();
    const { change } = await cell.attach({ cardId: 'card-2' });
    const { legs } = await cell.volumeNow();
    const fenced = change.plan.steps.flatMap(({ step }) => (step.kind === 'fence-leg' ? [step.legId] : []));
    expect(fenced.toSorted()).toEqual(legs.map(({ legId }) => legId).toSorted());
    await cell.settle();
    expect(await epochs()).toEqual([2, 2, 2, 2, 2]);
    expect(onPools().every(({ holder }) => holder.cardId === 'card-2')).toBe(true);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-2' });
    expect(frozenOnPools()).toHaveLength(3);
    await nothingDiffers();
  });

  it('is not attached to another card while a clone reads from one of them, nor is the clone', async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec({ name: 'copy', fromSnapshot }) });
    await cell.settle();
    await detached();
    await detached('copy');
    expect(await refusalOf(cell.attach({ cardId: 'card-2' }))).toBe('change-refused');
    expect(await refusalOf(cell.attach({ cardId: 'card-2' }, 'copy'))).toBe('change-refused');
    await cell.attach({}, 'copy');
    await cell.attach({});
    await cell.settle();
    expect(await givenTo('card-1', 'copy')).toMatchObject({ bases: [{ shared: true }] });
    await nothingDiffers();
  });

  it('takes no snapshot and ends none before it is attached', async () => {
    await cell.create();
    await take('monday');
    await detached();
    const { volumes } = cell.scheduler;
    const another = volumes.createSnapshot({ ...(await asked()), spec: { name: 'tuesday' } });
    expect(await refusalOf(another)).toBe('volume-detached');
    const drop = volumes.deleteSnapshot({ ...(await asked()), snapshot: 'monday' });
    expect(await refusalOf(drop)).toBe('volume-detached');
  });

  it('is kept with them by a database that is restored to when it was attached', async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    const admin = { name: 'root', role: 'admin' as const, tenantId: null };
    await cell.scheduler.backups.create({ v: 1, caller: admin, idempotencyKey: 'b', name: 'before' });
    await detached();
    await cell.scheduler.backups.restore({ v: 1, caller: admin, idempotencyKey: 'r', name: 'before' });
    await cell.settle();
    await cell.scheduler.settlements.adopt({ v: 1, caller: admin, idempotencyKey: 'a', id: 'vol-a' });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', snapshots: [{ state: 'ready' }] });
    await nothingDiffers();
    await cell.attach({ cardId: 'card-2' });
    await cell.settle();
    expect(await givenTo('card-2')).toMatchObject({ bases: [{ stackGeneration: 1 }] });
    await nothingDiffers();
  });

  it('is adopted with them on the card that it was attached to since, each leg as it is served there', async () => {
    await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
    await take('monday');
    // Monday lies beside what the volume stands on.
    await cell.change({ stack: mirror });
    await cell.settle();
    await detached();
    const admin = { name: 'root', role: 'admin' as const, tenantId: null };
    await cell.scheduler.backups.create({ v: 1, caller: admin, idempotencyKey: 'b', name: 'before' });
    await cell.attach({ cardId: 'card-2' });
    await cell.settle();
    await cell.scheduler.backups.restore({ v: 1, caller: admin, idempotencyKey: 'r', name: 'before' });
    await cell.settle();
    await cell.scheduler.settlements.adopt({ v: 1, caller: admin, idempotencyKey: 'a', id: 'vol-a' });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-2', snapshots: [{ state: 'ready' }] });
    expect(await epochs()).toEqual([2, 2, 2]);
    expect(onPools().every(({ holder }) => holder.cardId === 'card-2')).toBe(true);
    await nothingDiffers();
  });
});

describe('a volume with snapshots', () => {
  it('grows in two stages, and neither dooms nor waits for what its snapshots keep', async () => {
    await cell.create({ stack: mirror });
    await take('monday');
    const frozen = (await cell.volumeNow()).legs.filter(({ stackGeneration }) => stackGeneration === 1);
    const { sizeBytes } = await cell.volumeNow();
    const { change } = await cell.change({ sizeBytes: 2 * sizeBytes });
    expect(change.plan.secondStageAt).toBeGreaterThan(0);
    expect(change.plan.destroys).not.toContain(`leg ${frozen[0]?.legId}`);
    const after = await cell.store.read((store) => store.change(change.changeId));
    expect(after?.next?.isBegun).toBe(false);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 2 * sizeBytes, snapshots: [{ state: 'ready' }] });
    expect(frozenOnPools().toSorted()).toEqual(frozen.map(({ legId }) => legId).toSorted());
    await nothingDiffers();
  });

  it('keeps the keys of its snapshots when it grows in two stages', async () => {
    await cell.create({ stack: { layers: [...encrypted.layers, ...mirror.layers] } });
    await take('monday');
    const { sizeBytes, volumeId } = await cell.volumeNow();
    await cell.change({ sizeBytes: 2 * sizeBytes });
    await cell.settle();
    const keys = await cell.store.read((store) => store.keysOf(volumeId));
    expect(keys.map(({ stackGeneration }) => stackGeneration)).toContain(1);
    expect(keys).toHaveLength(2);
    await nothingDiffers();
  });

  it('takes other limits along while a snapshot is taken, and while one is written back', async () => {
    await cell.create();
    const taking = await cell.scheduler.volumes.createSnapshot({ ...(await asked()), spec: { name: 'monday' } });
    await cell.change({ qos: { iopsTotal: 500 } });
    await cell.settle();
    expect(await cell.changeNow(taking.change.changeId)).toMatchObject({ state: 'settled', kind: 'snapshot' });
    expect(await cell.volumeNow()).toMatchObject({ qos: { iopsTotal: 500 }, snapshots: [{ state: 'ready' }] });
    const ending = await cell.scheduler.volumes.deleteSnapshot({ ...(await asked()), snapshot: 'monday' });
    const amended = await cell.change({ qos: { iopsTotal: 700 } });
    expect(amended.change.changeId).toBe(ending.change.changeId);
    expect(amended.change.plan.destroys).toEqual(ending.change.plan.destroys);
    await cell.settle();
    const now = await cell.volumeNow();
    expect(now).toMatchObject({ qos: { iopsTotal: 700 }, snapshots: [] });
    expect(now.legs).toHaveLength(1);
    await nothingDiffers();
  });

  it('has a copy reserved on its overlay and on the base that this is written back into', async () => {
    await cell.create({ qos: { bytesPerSecondTotal: 1_000_000 } });
    await take('monday');
    const ending = await cell.scheduler.volumes.deleteSnapshot({ ...(await asked()), snapshot: 'monday' });
    const { legs } = await cell.volumeNow();
    for (const { legId } of legs) {
      const held = (await cell.store.read((store) => store.reservations())).find(
        ({ reservationId }) => reservationId === legId,
      );
      expect(held?.bytesPerSecond).toBeGreaterThan(1_000_000);
    }
    expect(ending.change.plan.bytesToCopy).toBeGreaterThan(0);
    await cell.settle();
    await nothingDiffers();
  });
});

describe('a change of two stages', () => {
  it('does not take limits along before its second stage was given to the card', async () => {
    for (const { id } of cell.pools) cell.scheduler.hearPoolSnapshot(aPool(id));
    await cell.create({ stack: mirror });
    const { sizeBytes } = await cell.volumeNow();
    await cell.change({ sizeBytes: 2 * sizeBytes });
    expect((await cell.change({ qos: { iopsTotal: 500 } })).change.state).toBe('queued');
    await cell.settle();
    await nothingDiffers();
  });
});
