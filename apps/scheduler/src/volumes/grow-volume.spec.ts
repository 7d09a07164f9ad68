import type { CardSnapshot } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { failWith } from '../testing/fake-agents.js';
import { aCard, aPool, encrypted, MIB, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const larger = { sizeBytes: 512 * MIB };
const legRoom = async (volumeId: string) =>
  (await cell.store.read((store) => store.reservationsOf(volumeId)))
    .filter(({ ownerRole }) => ownerRole === 'pool')
    .toSorted((left, right) => left.capacityBytes - right.capacityBytes)
    .map(({ ownerId, capacityBytes }) => [ownerId, capacityBytes]);

/** Both cards, as a data plane that tells guests of a new size over one protocol only. */
function tellOnlyOver(frontEnd: string): void {
  for (const { id } of cell.cards) {
    const card: CardSnapshot = aCard(id);
    const { lacks, has } = card.capabilities;
    const limited = has.map((one) => (one.name === 'live-grow' ? { ...one, limits: { frontEnd } } : one));
    cell.scheduler.hearCardSnapshot({ ...card, capabilities: { has: limited, lacks } });
  }
}

// The cell's pools are reached over the network.
describe('a volume on a leg of fixed size', () => {
  it('grows by one change onto a larger leg of the same pool, with room held for both meanwhile', async () => {
    const { volumeId } = await cell.create();
    const [old] = (await cell.volumeNow()).legs;
    const asked = { volume: 'vol-a', basedOnGeneration: 1, patch: larger };
    const plan = await cell.scheduler.volumes.planChange({ ...reader, ...asked });
    const { change } = await cell.change(larger);
    expect(change).toMatchObject({ differences: ['size'], plan });
    expect(plan).toMatchObject({ guestFeels: 'its device becomes larger', bytesToCopy: 256 * MIB });
    expect(plan.steps.map(({ step }) => step.kind)).toEqual([
      'create-leg',
      'serve-leg',
      'open-leg',
      'build-window',
      'copy',
      'cut-over',
      'grow-head',
      'close-stack',
      'stop-serving-leg',
      'delete-leg',
    ]);
    expect(await legRoom(volumeId)).toEqual([
      [old?.poolId, 256 * MIB],
      [old?.poolId, 512 * MIB],
    ]);
    await cell.settle();
    const grown = await cell.volumeNow();
    expect(grown).toMatchObject({ ...larger, state: 'ready', appliedGeneration: 2, settledGeneration: 2 });
    expect(grown.legs.map(({ poolId, sizeBytes }) => [poolId, sizeBytes])).toEqual([[old?.poolId, 512 * MIB]]);
    expect(await legRoom(volumeId)).toEqual([[old?.poolId, 512 * MIB]]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('grows, moves and is encrypted in one change, with room for the header', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const stack = { layers: [...encrypted.layers] };
    const { change } = await cell.change({ ...larger, placement: { poolIds: ['pool-2'] }, stack });
    expect(change.differences).toEqual(['size', 'stack', 'pools']);
    await cell.settle();
    const grown = await cell.volumeNow();
    expect(grown).toMatchObject({ state: 'ready', settledGeneration: 2, ...larger });
    expect(grown.legs.map(({ poolId, sizeBytes }) => [poolId, sizeBytes])).toEqual([['pool-2', 514 * MIB]]);
    expect(cell.cardOf(volume).items.get(volume.volumeId)).toMatchObject({ ...larger, plan: { cutOver: true } });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('has its old size again when the card fails before its cut-over', async () => {
    const volume = await cell.create();
    const { legs } = await cell.volumeNow();
    cell.cardOf(volume).play = failWith({ code: 'data-plane-failed', detail: 'the copy met a read error' });
    const { change } = await cell.change(larger);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('undone');
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, state: 'ready', legs });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('is not grown where its guest cannot be told, or where there is no room beside the old leg', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    tellOnlyOver('virtio-blk');
    await expect(cell.change(larger)).rejects.toThrow(
      `card ${volume.cardId} can tell a guest of a new size over virtio-blk only`,
    );
    for (const { id } of cell.cards) cell.scheduler.hearCardSnapshot(aCard(id, { without: 'live-grow' }));
    await expect(cell.change(larger)).rejects.toThrow('live-grow (not built into this data plane)');
    cell.showFleet();
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { capacityBytes: 600 * MIB }));
    expect(await refusalOf(cell.change(larger))).toBe('pool-full');
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, generation: 1, state: 'ready' });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});

describe("a volume on the card's own pool", () => {
  beforeEach(() => cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' })));

  it('grows where it is, which moves nothing, unless it is moved as well', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    const [leg] = (await cell.volumeNow()).legs;
    const { change } = await cell.change(larger);
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual(['grow-leg', 'grow-head']);
    await cell.settle();
    expect((await cell.volumeNow()).legs).toMatchObject([{ legId: leg?.legId, ...larger }]);
    const moved = await cell.change({ sizeBytes: 1024 * MIB, placement: { poolIds: ['pool-2'] } });
    expect(moved.change.plan.steps.map(({ step }) => step.kind)).toContain('build-window');
    await cell.settle();
    expect((await cell.volumeNow()).legs).toMatchObject([{ poolId: 'pool-2', sizeBytes: 1024 * MIB }]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('grows onto another leg where the one that it has is larger than asked for: a growth taken back cannot be cut off it', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const answer = cell.cardOf(volume).play;
    cell.cardOf(volume).play = failWith({ code: 'data-plane-failed', detail: 'the guest could not be told' });
    await cell.change({ sizeBytes: 1024 * MIB });
    await cell.settle();
    const [leg] = (await cell.volumeNow()).legs;
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, state: 'ready' });
    expect(leg?.sizeBytes).toBe(1024 * MIB);
    cell.cardOf(volume).play = answer;
    const { change } = await cell.change(larger);
    expect(change.plan).toMatchObject({ grows: 'window', destroys: [`leg ${leg?.legId}`] });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({
      ...larger,
      state: 'ready',
      legs: [{ poolId: 'pool-1', ...larger }],
    });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});
