import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, failWith, legReport, serve } from '../testing/fake-agents.js';
import { aPool, aSpec, encrypted, MIB, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('changing a volume', () => {
  it('sets limits at the head, without touching the pools', async () => {
    await cell.create();
    const legsBefore = (await cell.volumeNow()).legs;
    const { change } = await cell.change({ qos: { iopsTotal: 1000 } });
    expect(change).toMatchObject({ state: 'applying', differences: ['qos'] });
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual(['set-limits']);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      generation: 2,
      settledGeneration: 2,
      qos: { iopsTotal: 1000 },
      legs: legsBefore,
    });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('moves to another pool by a new stack, and frees the old leg only when its pool has deleted it', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const [old] = (await cell.volumeNow()).legs;
    const [pool1] = cell.pools;
    if (pool1) pool1.play = (item) => (item.tombstone ? [] : serve(item));
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'retiring',
      waitingFor: `pool pool-1 to delete ${old?.legId}`,
    });
    expect(
      (await cell.store.read((store) => store.reservationsOf(volume.volumeId))).map(({ ownerId }) => ownerId),
    ).toContain('pool-1');
    const tombstone = pool1?.items.get(old?.legId ?? '');
    if (!pool1 || !tombstone) throw new Error('pool-1 was told nothing of its old leg');
    await pool1.say(legReport(tombstone, 'deleted'));
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    const moved = await cell.volumeNow();
    expect(moved).toMatchObject({ generation: 2, settledGeneration: 2 });
    expect(moved.legs.map(({ poolId, current }) => [poolId, current])).toEqual([['pool-2', true]]);
    expect(
      (await cell.store.read((store) => store.reservationsOf(volume.volumeId))).map(({ ownerId }) => ownerId),
    ).not.toContain('pool-1');
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('switches encryption on with a key, re-keys on a move, and drops keys with the stack that they opened', async () => {
    const volume = await cell.create();
    await cell.change({ stack: { layers: [...encrypted.layers] } });
    await cell.settle();
    const keys = () => cell.store.read((store) => store.keysOf(volume.volumeId));
    const [first] = await keys();
    expect(first?.stackGeneration).toBe(2);
    expect((await cell.volumeNow()).legs[0]?.sizeBytes).toBe(258 * MIB);
    const here = (await cell.volumeNow()).legs[0]?.poolId;
    await cell.change({ placement: { poolIds: [here === 'pool-1' ? 'pool-2' : 'pool-1'] } });
    await cell.settle();
    const [second, ...none] = await keys();
    expect(none).toEqual([]);
    expect(second?.keyRef).not.toBe(first?.keyRef);
    await cell.change({ stack: { layers: [] } });
    await cell.settle();
    expect(await keys()).toEqual([]);
    expect((await cell.volumeNow()).legs[0]?.sizeBytes).toBe(256 * MIB);
  });

  it('refuses more pools than the stack has legs, or one twice, and says so', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    for (const poolIds of [
      ['pool-2', 'pool-3'],
      ['pool-1', 'pool-2'],
      ['pool-1', 'pool-1'],
    ])
      expect(await refusalOf(cell.change({ placement: { poolIds } }))).toBe('no-placement');
    await expect(cell.change({ placement: { poolIds: ['pool-2', 'pool-3'] } })).rejects.toThrow(
      'names 2 pools (pool-2, pool-3) and the stack has 1 leg',
    );
    expect(await cell.volumeNow()).toMatchObject({ generation: 1, state: 'ready' });
  });

  it('keeps one of the pools that were named for more legs when the stack becomes smaller', async () => {
    const mirrored = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };
    await cell.create({ stack: mirrored, placement: { poolIds: ['pool-2', 'pool-3'] } });
    await cell.change({ stack: { layers: [] } });
    await cell.settle();
    expect((await cell.volumeNow()).legs.map(({ poolId }) => poolId)).toEqual(['pool-2']);
  });

  it('stays on its pool when only its layers change', async () => {
    await cell.create({ placement: {} });
    const before = (await cell.volumeNow()).legs[0]?.poolId;
    await cell.change({ stack: { layers: [...encrypted.layers] } });
    await cell.settle();
    expect((await cell.volumeNow()).legs[0]?.poolId).toBe(before);
  });

  it('settles labels at once, as a generation of its own', async () => {
    await cell.create();
    const { volume, change } = await cell.change({ labels: { tier: 'gold' } });
    expect(change.state).toBe('settled');
    expect(volume).toMatchObject({ generation: 2, settledGeneration: 2, labels: { tier: 'gold' } });
  });

  it('answers a change that changes nothing with a settled change and the same generation', async () => {
    await cell.create();
    const { volume, change } = await cell.change({ sizeBytes: 256 * MIB, qos: null });
    expect(change).toMatchObject({ state: 'settled', differences: [], fromGeneration: 1, toGeneration: 1 });
    expect(volume.generation).toBe(1);
  });

  it('refuses a stale generation, a deletion behind a change, and a shrink, also onto another pool', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    const stale = cell.scheduler.volumes.change({
      ...cell.asked(),
      volume: 'vol-a',
      basedOnGeneration: 7,
      patch: { qos: null },
    });
    expect(await refusalOf(stale)).toBe('stale-generation');
    expect(await refusalOf(cell.change({ sizeBytes: 128 * MIB }))).toBe('change-refused');
    expect(await refusalOf(cell.change({ sizeBytes: 128 * MIB, placement: { poolIds: ['pool-2'] } }))).toBe(
      'change-refused',
    );
    await cell.change({ qos: { iopsTotal: 10 } });
    const { generation } = await cell.volumeNow();
    const gone = cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation });
    expect(await refusalOf(gone)).toBe('change-in-flight');
    expect(await refusalOf(cell.change({ qos: { iopsTotal: 20 } }, 'vol-b'))).toBe('not-found');
  });

  it('goes back to the old stack as a new generation when the card fails before its cut-over', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const held = await cell.store.read((store) => store.reservationsOf(volume.volumeId));
    const legs = (await cell.volumeNow()).legs;
    const problem = { code: 'data-plane-failed' as const, detail: 'the copy met a read error' };
    cell.cardOf(volume).play = failWith(problem);
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] }, qos: { iopsTotal: 500 } });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', problem });
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      generation: 3,
      appliedGeneration: 3,
      settledGeneration: 3,
      qos: null,
      legs,
    });
    expect(await cell.store.read((store) => store.reservationsOf(volume.volumeId))).toEqual(held);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('shows a plan that the card found changed as refused', async () => {
    const volume = await cell.create();
    cell.cardOf(volume).play = failWith({ code: 'plan-changed', detail: 'another stack is open' }, 'plan-changed');
    const { change } = await cell.change({ qos: { iopsTotal: 500 } });
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('refused');
    expect((await cell.volumeNow()).qos).toBeNull();
  });

  it('shows why a volume at rest cannot be built again, and forgets the reason once it is mended', async () => {
    const volume = await cell.create();
    await cell.settle();
    const card = cell.cardOf(volume);
    const item = card.items.get(volume.volumeId);
    if (!item) throw new Error('the card has its volume');
    const changeId = String((await cell.volumeNow()).changeId);
    const problem = { code: 'step-failed' as const, detail: 'its key opens nothing' };
    await card.say({ ...cardReport(item, 'needs-operator'), problem });
    expect(await cell.volumeNow()).toMatchObject({ state: 'needs-operator' });
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'settled', problem });
    await card.say(cardReport(item, 'settled'));
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready' });
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'settled', problem: null });
  });

  it('stops where the card asks for an operator, and goes on when the card does', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    const problem = { code: 'needs-operator' as const, detail: 'the head is on a stack that nobody knows' };
    card.play = (item) => [{ ...cardReport(item, 'needs-operator'), problem }];
    const { change } = await cell.change({ qos: { iopsTotal: 500 } });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'needs-operator', problem });
    expect((await cell.volumeNow()).state).toBe('needs-operator');
    const item = card.items.get(volume.volumeId);
    if (item) await card.say(cardReport(item, 'settled'));
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect((await cell.volumeNow()).state).toBe('ready');
  });
});

describe('deleting a volume', () => {
  it('takes it from the card first, then from the pools, and keeps its changes', async () => {
    const volume = await cell.create();
    const card = cell.cardOf(volume);
    card.play = () => [];
    const { change } = await cell.scheduler.volumes.delete({
      ...cell.asked(),
      volume: volume.volumeId,
      basedOnGeneration: 1,
    });
    await cell.settle();
    expect(cell.pools.flatMap((pool) => [...pool.items.values()]).some(({ tombstone }) => tombstone)).toBe(false);
    const item = card.items.get(volume.volumeId);
    expect(item?.tombstone).toBe(true);
    if (item) await card.say(cardReport(item, 'gone'));
    await cell.settle();
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.store.read((store) => store.reservations())).toEqual([]);
    expect(await cell.store.read((store) => store.desired('card', card.id, 0))).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});

describe('dry runs', () => {
  it('name exactly what the real run does, and change nothing', async () => {
    const spec = aSpec({ stack: { layers: [...encrypted.layers] } });
    const plan = await cell.scheduler.volumes.planCreate({ ...reader, spec });
    expect(await cell.scheduler.volumes.planCreate({ ...reader, spec })).toEqual(plan);
    expect(await cell.store.read((store) => store.reservations())).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    const { change } = await cell.scheduler.volumes.create({ ...cell.asked(), spec, planDigest: plan.digest });
    expect(change.plan).toEqual(plan);
    await cell.settle();
    const asked = { volume: 'vol-a', basedOnGeneration: 1, patch: { placement: { poolIds: ['pool-3'] } } };
    const move = await cell.scheduler.volumes.planChange({ ...reader, ...asked });
    expect(
      await refusalOf(cell.scheduler.volumes.change({ ...cell.asked(), ...asked, planDigest: '0'.repeat(64) })),
    ).toBe('plan-changed');
    expect((await cell.volumeNow()).generation).toBe(1);
    const moved = await cell.scheduler.volumes.change({ ...cell.asked(), ...asked, planDigest: move.digest });
    expect(moved.change.plan).toEqual(move);
    await cell.settle();
    const gone = await cell.scheduler.volumes.planDelete({ ...reader, volume: 'vol-a', basedOnGeneration: 2 });
    expect(gone.destroys).toContain(`leg ${(await cell.volumeNow()).legs[0]?.legId}`);
  });
});

describe('room', () => {
  it('is reserved on both sides of a move, so that a pool that cannot hold the new leg refuses it', async () => {
    await cell.create({ placement: { poolIds: ['pool-1'] } });
    cell.scheduler.hearPoolSnapshot(aPool('pool-2', { capacityBytes: 100 * MIB }));
    expect(await refusalOf(cell.change({ placement: { poolIds: ['pool-2'] } }))).toBe('pool-full');
    expect(await refusalOf(cell.change({ qos: { iopsTotal: 5_000_000 } }))).toBe('no-placement');
    expect((await cell.volumeNow()).generation).toBe(1);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });
});

describe('a card that refuses the way back', () => {
  it('needs an operator, and goes on when the card has gone back after all', async () => {
    const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const card = cell.cardOf(volume);
    const problem = { code: 'step-failed' as const, detail: 'the old stack does not open' };
    card.play = (item) => [{ ...cardReport(item, item.origin === 'person' ? 'undone' : 'refused'), problem }];
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'needs-operator', problem });
    expect((await cell.volumeNow()).state).toBe('needs-operator');
    const refusal = card.reports.at(-1);
    const item = card.items.get(volume.volumeId);
    if (!refusal || !item) throw new Error('the card was given the way back');
    await card.say(refusal);
    expect((await cell.changeNow(change.changeId)).state).toBe('needs-operator');
    await card.say(cardReport(item, 'settled'));
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('undone');
    expect((await cell.volumeNow()).state).toBe('ready');
  });
});
