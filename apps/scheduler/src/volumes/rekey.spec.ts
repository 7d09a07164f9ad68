import { beforeEach, describe, expect, it } from 'vitest';
import { failWith, legReport, serve } from '../testing/fake-agents.js';
import { encrypted, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const secret = { stack: { layers: [...encrypted.layers] }, placement: { poolIds: ['pool-1'] } };
const keyRefs = async (volumeId: string) =>
  (await cell.store.read((store) => store.keysOf(volumeId))).map(({ keyRef }) => keyRef);
/** The key that the volume has now. */
async function keyNow(): Promise<string> {
  const { keyRef } = await cell.volumeNow();
  if (keyRef === null) throw new Error('the volume is encrypted');
  return keyRef;
}

describe('re-keying a volume', () => {
  it('encrypts it anew on its pool by a swap, and drops the old key when the last leg that it opens is gone', async () => {
    const { volumeId } = await cell.create(secret);
    const from = await keyNow();
    const [pool] = cell.pools;
    if (pool) pool.play = (item) => (item.tombstone ? [] : serve(item));
    const { change } = await cell.change({ rekey: { from } });
    expect(change).toMatchObject({ differences: ['key'], plan: { guestFeels: null } });
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual([
      'create-leg',
      'serve-leg',
      'open-leg',
      'format-encryption',
      'open-encryption',
      'copy',
      'cut-over',
      'close-stack',
      'stop-serving-leg',
      'delete-leg',
    ]);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('retiring');
    const to = await keyNow();
    expect(to).not.toBe(from);
    expect(new Set(await keyRefs(volumeId))).toEqual(new Set([from, to]));
    const tombstone = [...(pool?.items.values() ?? [])].find((item) => item.tombstone);
    if (!pool || !tombstone) throw new Error('pool-1 was told nothing of the old leg');
    await pool.say(legReport(tombstone, 'deleted'));
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await keyRefs(volumeId)).toEqual([to]);
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-1']);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('is done once, however often it is asked for', async () => {
    await cell.create(secret);
    const rekey = { from: await keyNow() };
    const asked = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: 1, patch: { rekey } };
    const { change } = await cell.scheduler.volumes.change(asked);
    await cell.settle();
    const to = await keyNow();
    expect((await cell.scheduler.volumes.change(asked)).change.changeId).toBe(change.changeId);
    const again = await cell.change({ rekey });
    expect(again.change).toMatchObject({ state: 'settled', differences: [], plan: { steps: [] } });
    expect(await cell.volumeNow()).toMatchObject({ keyRef: to, generation: 2 });
  });

  it('is nothing that a volume sent back as it is asks for', async () => {
    await cell.create(secret);
    const { stack, sizeBytes, qos, labels, legs } = await cell.volumeNow();
    const placement = { poolIds: legs.map(({ poolId }) => poolId) };
    expect((await cell.change({ stack, sizeBytes, qos, labels, placement })).change.differences).toEqual([]);
  });

  it('may stand beside other differences, and is one swap with them', async () => {
    await cell.create(secret);
    const rekey = { from: await keyNow() };
    const { change } = await cell.change({ rekey, placement: { poolIds: ['pool-2'] }, qos: { iopsTotal: 500 } });
    expect(change.differences).toEqual(['qos', 'pools', 'key']);
    expect(change.plan.steps.filter(({ cutOver }) => cutOver)).toHaveLength(1);
  });

  it('keeps the old key when it fails before its cut-over, and makes another the next time', async () => {
    const volume = await cell.create(secret);
    const from = await keyNow();
    cell.cardOf(volume).play = failWith({ code: 'data-plane-failed', detail: 'the copy met a read error' });
    const { volume: tried } = await cell.change({ rekey: { from } });
    await cell.settle();
    expect(await keyNow()).toBe(from);
    expect(await keyRefs(volume.volumeId)).toEqual([from]);
    const { volume: next } = await cell.change({ rekey: { from } });
    expect([from, tried.keyRef]).not.toContain(next.keyRef);
  });

  it('is refused for a volume that has no key, or is to have none', async () => {
    await cell.create();
    const rekey = { from: 'key-0123456789' };
    await expect(cell.change({ rekey })).rejects.toThrow('volume vol-a has no encryption layer');
    await cell.create({ name: 'vol-b', ...secret });
    expect(await refusalOf(cell.change({ rekey, stack: { layers: [] } }, 'vol-b'))).toBe('change-refused');
    const asked = { ...reader, volume: 'vol-a', basedOnGeneration: 1, patch: { rekey } };
    expect(await refusalOf(cell.scheduler.volumes.planChange(asked))).toBe('change-refused');
  });
});
