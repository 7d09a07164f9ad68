import type { PlanReservation, VolumePatch } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, MIB, reader } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const capacity = (reservations: PlanReservation[], at: 'before' | 'during' | 'after') =>
  reservations
    .filter(({ owner }) => owner.role === 'pool')
    .map(({ owner, [at]: room }) => [owner.id, room.capacityBytes / MIB]);

describe('the plan that is shown', () => {
  it('says what it takes of cards and pools while it runs and afterwards, and keeps that in the change', async () => {
    const { cardId } = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const { change } = await cell.change({ placement: { poolIds: ['pool-2'] }, qos: { iopsTotal: 1000 } });
    const { reservations } = change.plan;
    expect(capacity(reservations, 'before')).toEqual([
      ['pool-1', 256],
      ['pool-2', 0],
    ]);
    expect(capacity(reservations, 'during')).toEqual([
      ['pool-1', 256],
      ['pool-2', 256],
    ]);
    expect(capacity(reservations, 'after')).toEqual([
      ['pool-1', 0],
      ['pool-2', 256],
    ]);
    const card = reservations.find(({ owner }) => owner.role === 'card');
    expect(card).toMatchObject({ owner: { id: cardId }, before: { iops: 0 }, during: { iops: 1000 } });
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).plan).toEqual(change.plan);
    const gone = await cell.scheduler.volumes.planDelete({ ...reader, volume: 'vol-a', basedOnGeneration: 2 });
    expect(capacity(gone.reservations, 'before')).toEqual([['pool-2', 256]]);
    expect(capacity(gone.reservations, 'after')).toEqual([['pool-2', 0]]);
  });

  it('is refused with the name of what lacks: a capability, a constraint, a budget', async () => {
    const { cardId } = await cell.create({ placement: { poolIds: ['pool-1'] } });
    const plan = (patch: VolumePatch) =>
      cell.scheduler.volumes.planChange({ ...reader, volume: 'vol-a', basedOnGeneration: 1, patch });
    await expect(plan({ stack: { layers: [{ kind: 'raid0', legCount: 2 }] } })).rejects.toThrow(
      `card ${cardId} lacks raid0`,
    );
    cell.scheduler.hearPoolSnapshot({ ...aPool('pool-2'), cordoned: true });
    await expect(plan({ placement: { poolIds: ['pool-2'] } })).rejects.toThrow('pool-cordoned excludes 1');
    await expect(plan({ qos: { iopsTotal: 5_000_000 } })).rejects.toThrow(
      'pool pool-1 has 1000000 iops free, and 5000000 are needed',
    );
  });
});
