import { beforeEach, describe, expect, it } from 'vitest';
import { aSpec, fleetOperator, operator } from '../testing/fixtures.js';
import { SlowCard } from '../testing/fake-agents.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const encrypted = { layers: [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }] };
const fromSnapshot = { volume: 'vol-a', snapshot: 'monday' };
let cell: MemoryCell;
let writes = 0;

beforeEach(async () => {
  cell = await MemoryCell.start();
  await cell.create({ stack: encrypted });
  await cell.scheduler.volumes.createSnapshot({ ...(await asked('vol-a')), spec: { name: 'monday' } });
  await cell.settle();
});

async function asked(volume: string) {
  const { generation } = await cell.volumeNow(volume);
  return { ...write(), volume, basedOnGeneration: generation };
}
function write() {
  writes += 1;
  return { v: 1 as const, caller: operator, idempotencyKey: `${writes}` };
}
const clone = (more: Parameters<typeof aSpec>[0] = {}) =>
  cell.scheduler.volumes.create({ ...write(), spec: aSpec({ name: 'copy', fromSnapshot, ...more }) });
const dropMonday = async () => cell.scheduler.volumes.deleteSnapshot({ ...(await asked('vol-a')), snapshot: 'monday' });
const given = async (name: string) => {
  const volume = await cell.volumeNow(name);
  return cell.cardOf(volume).items.get(volume.volumeId);
};

describe('a clone', () => {
  it('begins as an overlay of its own on the snapshot, on the card that has it, with keys of its own', async () => {
    const { change } = await clone();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', plan: { destroys: [] } });
    const [source, volume] = [await cell.volumeNow(), await cell.volumeNow('copy')];
    const [{ snapshotId } = { snapshotId: '' }] = source.snapshots;
    expect(volume).toMatchObject({ cardId: source.cardId, stack: encrypted, state: 'ready', generation: 2 });
    expect(volume.standsOn).toEqual({ volumeId: source.volumeId, snapshotId });
    expect(volume.legs).toHaveLength(1);
    const [base] = (await given('copy'))?.bases ?? [];
    const [sourceBase] = (await given('vol-a'))?.bases ?? [];
    expect(base).toMatchObject({ shared: true, legs: sourceBase?.legs });
    expect(base?.encryptionKey?.sealedKey).toEqual(sourceBase?.encryptionKey?.sealedKey);
    expect(base?.encryptionKey?.keyRef).not.toBe(sourceBase?.encryptionKey?.keyRef);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    expect((await cell.scheduler.checks.run({ caller: fleetOperator })).differences).toEqual([]);
  });

  it('keeps its snapshot from being deleted until it is whole, or gone', async () => {
    await clone();
    await cell.settle();
    expect(await refusalOf(dropMonday())).toBe('change-refused');
    await cell.change({ stack: { layers: [] } }, 'copy');
    await cell.settle();
    expect((await cell.volumeNow('copy')).standsOn).toBeNull();
    await dropMonday();
    await cell.settle();
    expect((await cell.volumeNow()).snapshots).toEqual([]);
    expect(cell.pools.flatMap(({ items }) => [...items.values()].filter(({ tombstone }) => !tombstone))).toHaveLength(
      2,
    );
  });

  it('keeps its snapshot too while it is only being made whole: its card reads from it until that is over', async () => {
    await clone();
    await cell.settle();
    const card = cell.cardOf(await cell.volumeNow('copy'));
    const slow = new SlowCard();
    card.play = slow.play;
    await cell.change({ stack: { layers: [] } }, 'copy');
    expect(await refusalOf(dropMonday())).toBe('change-refused');
    await cell.settle();
    expect(await refusalOf(dropMonday())).toBe('change-refused');
    slow.isWorking = true;
    await card.goOn();
    await cell.settle();
    await dropMonday();
    await cell.settle();
    expect((await cell.volumeNow()).snapshots).toEqual([]);
  });

  it('is deleted without anything of its snapshot', async () => {
    await clone();
    await cell.settle();
    const legs = (await cell.volumeNow()).legs.map(({ legId }) => legId);
    const { change } = await cell.scheduler.volumes.delete(await asked('copy'));
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).legs.map(({ legId }) => legId)).toEqual(legs);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('goes on with the leg that its snapshot has when that is served under another key', async () => {
    await clone();
    await cell.settle();
    const frozen = (await cell.volumeNow()).legs.find(({ stackGeneration }) => stackGeneration === 1);
    const pool = cell.pools.find(({ id }) => id === frozen?.poolId);
    const item = pool?.items.get(frozen?.legId ?? '');
    const ready = item && pool?.play(item).find(({ phase }) => phase === 'ready');
    if (!pool || !ready) throw new Error('the leg of the snapshot is on no pool');
    await pool.say({ ...ready, address: { kind: 'nbd', host: '127.0.0.1', port: 11_999, exportName: 'elsewhere' } });
    await cell.settle();
    for (const name of ['vol-a', 'copy'])
      expect((await given(name))?.bases?.[0]?.legs[0]?.address).toMatchObject({ port: 11_999 });
  });

  it('has the size, the layers and the card of its snapshot, which is one that there is', async () => {
    const { cardId } = await cell.volumeNow();
    const other = cardId === 'card-1' ? 'card-2' : 'card-1';
    expect(await refusalOf(clone({ sizeBytes: 2 * 1024 ** 3 }))).toBe('invalid-stack');
    expect(await refusalOf(clone({ stack: { layers: [{ kind: 'raid1', legCount: 2 }] } }))).toBe('invalid-stack');
    expect(await refusalOf(clone({ placement: { cardId: other } }))).toBe('no-placement');
    expect(await refusalOf(clone({ fromSnapshot: { volume: 'vol-a', snapshot: 'sunday' } }))).toBe('not-found');
  });
});
