import { changeSchema, volumeSchema } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { failWith, legReport, serve, succeed } from '../testing/fake-agents.js';
import { aSpec, GIB, operator, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('creating a volume', () => {
  it('goes from accepted through legs and card to settled', async () => {
    const accepted = await cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() });
    expect(accepted.change.state).toBe('preparing');
    expect(accepted.change.waitingFor).toMatch(/^pool pool-\d to make leg-/);
    await cell.settle();
    const volume = volumeSchema.parse(await cell.volumeNow());
    expect(volume).toMatchObject({
      state: 'ready',
      generation: 1,
      appliedGeneration: 1,
      settledGeneration: 1,
      uri: `nbd+unix:///${volume.volumeId}`,
    });
    expect(volume.legs).toMatchObject([{ state: 'ready', current: true }]);
    const change = changeSchema.parse(await cell.changeNow(accepted.change.changeId));
    expect(change).toMatchObject({ state: 'settled', waitingFor: null, traceId: '0af7651916cd43dd8448eb211c80319c' });
  });

  it('gives the card nothing before every pool has reported its leg', async () => {
    for (const pool of cell.pools) pool.play = () => [];
    await cell.create({ stack: { layers: [{ kind: 'raid1', legCount: 2 }] }, placement: { spreadLegsOver: 'host' } });
    expect((await cell.volumeNow()).appliedGeneration).toBe(0);
    expect(cell.cards.flatMap((card) => [...card.items.values()])).toEqual([]);
  });

  it('announces what happens', async () => {
    await cell.create();
    const said = cell.store.takeEvents().map(({ kind, what }) => `${kind} ${what}`);
    expect(said).toEqual([
      'change planned',
      'volume created',
      'change applying',
      'change applied',
      'change settled',
      'volume changed',
    ]);
  });

  it('that was committed without an answer is found when it is repeated, and so is what it holds', async () => {
    const asked = { ...cell.asked(), spec: aSpec() };
    const commit = cell.store.transaction.bind(cell.store);
    cell.store.transaction = async (work) => {
      cell.store.transaction = commit;
      await commit(work);
      throw new Error('the connection to the database broke');
    };
    await expect(cell.scheduler.volumes.create(asked)).rejects.toThrow('the connection to the database broke');
    const { change } = await cell.scheduler.volumes.create(asked);
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    await cell.change({ placement: { poolIds: ['pool-2'] } });
    await cell.settle();
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('refuses a name that is taken in the tenant, and allows it in another', async () => {
    await cell.create();
    expect(await refusalOf(cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() }))).toBe('name-taken');
    const other = { ...cell.asked(), caller: { ...operator, tenantId: 'other' } };
    expect((await cell.scheduler.volumes.create({ ...other, spec: aSpec() })).volume.tenantId).toBe('other');
  });

  it('refuses compression beneath encryption, a missing capability, a full pool and an unknown card', async () => {
    const layers = [{ kind: 'encryption' as const }, { kind: 'compression' as const }];
    expect(await refusalOf(cell.create({ stack: { layers } }))).toBe('invalid-stack');
    expect(await refusalOf(cell.create({ stack: { layers: [{ kind: 'compression' }] } }))).toBe('missing-capability');
    expect(await refusalOf(cell.create({ sizeBytes: 200 * GIB }))).toBe('pool-full');
    expect(await refusalOf(cell.create({ placement: { cardId: 'card-9' } }))).toBe('no-placement');
    expect(await cell.scheduler.queries.listVolumes({ ...reader, pageSize: 10 })).toEqual({
      items: [],
      nextPageToken: null,
    });
    expect(await cell.store.read((store) => store.reservations())).toEqual([]);
  });

  it('refuses viewers', async () => {
    const asked = { ...cell.asked(), caller: { ...operator, role: 'viewer' as const } };
    expect(await refusalOf(cell.scheduler.volumes.create({ ...asked, spec: aSpec() }))).toBe('forbidden');
  });

  it('ends as undone, with nothing reserved, when a pool fails', async () => {
    const problem = { code: 'pool-full' as const, detail: 'no space left on the disk' };
    for (const pool of cell.pools)
      pool.play = (item) => (item.tombstone ? serve(item) : [{ ...legReport(item, 'failed'), problem }]);
    const volume = await cell.create();
    expect(await cell.changeNow(volume.changeId ?? '')).toMatchObject({ state: 'undone', problem });
    expect(await cell.volumeNow()).toMatchObject({ state: 'failed', legs: [] });
    expect(await cell.store.read((store) => store.reservations())).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('ends as undone when the card fails, and the name is free again once the failed volume is deleted', async () => {
    for (const card of cell.cards) card.play = failWith({ code: 'step-failed', detail: 'the export was refused' });
    const volume = await cell.create();
    expect((await cell.changeNow(volume.changeId ?? '')).state).toBe('undone');
    const failed = await cell.volumeNow();
    expect(failed).toMatchObject({ state: 'failed', legs: [] });
    const { change } = await cell.scheduler.volumes.delete({
      ...cell.asked(),
      volume: 'vol-a',
      basedOnGeneration: failed.generation,
    });
    expect(change.state).toBe('settled');
    for (const card of cell.cards) card.play = succeed;
    const again = await cell.create();
    expect(again.volumeId).not.toBe(volume.volumeId);
    expect((await cell.volumeNow()).state).toBe('ready');
  });
});
