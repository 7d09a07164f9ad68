import type { LegFault, Volume } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { aPool, reader } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

const TEN_MINUTES_MS = 600_000;
const stack = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };

let cell: MemoryCell;
let volume: Volume;
beforeEach(async () => {
  cell = await MemoryCell.start();
  await cell.create({ stack });
  volume = await cell.volumeNow();
});

const badLeg = () => volume.legs[1];
const soundPool = () => volume.legs[0]?.poolId;

async function legFails(over: Partial<LegFault> = {}): Promise<void> {
  const card = cell.cardOf(volume);
  const latest = card.reports.at(-1);
  const legId = badLeg()?.legId;
  if (!latest || legId === undefined) throw new Error('the card said nothing');
  const place = { legId, kind: 'write-failed' as const, offsetBytes: 0, lengthBytes: 512, findings: 1 };
  const at = { firstAtMs: cell.nowMs, lastAtMs: cell.nowMs, repaired: false };
  await card.say({ ...latest, legFaults: [{ ...place, ...at, ...over }] });
}

const said = () => cell.store.takeEvents().flatMap(({ kind, what }) => (kind === 'volume' ? [what] : []));
const changes = async () => (await cell.scheduler.queries.listChanges({ ...reader, pageSize: 10 })).items;

describe('a volume of which a leg is bad', () => {
  it('is shown as degraded, and is swapped onto sound legs by itself after the set time', async () => {
    said();
    await legFails();
    expect(said()).toEqual(['leg-bad', 'degraded']);
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      degraded: { sinceMs: cell.nowMs, legIds: [badLeg()?.legId] },
    });
    cell.nowMs += TEN_MINUTES_MS - 1;
    await cell.scheduler.health.look();
    expect(cell.scheduler.health.degraded).toBe(1);
    expect((await cell.volumeNow()).generation).toBe(1);
    cell.nowMs += 1;
    await cell.scheduler.health.look();
    expect((await cell.volumeNow()).degraded).not.toBeNull();
    await cell.settle();
    const healed = await cell.volumeNow();
    expect(healed).toMatchObject({ state: 'ready', stack, generation: 2, settledGeneration: 2, degraded: null });
    expect(healed.legFaults).toEqual([]);
    const pools = healed.legs.map(({ poolId }) => poolId);
    expect(pools).toContain(soundPool());
    expect(pools).not.toContain(badLeg()?.poolId);
    expect((await changes())[0]).toMatchObject({ kind: 'heal', state: 'settled', requestedBy: 'scheduler' });
    expect(cell.cardOf(volume).items.get(volume.volumeId)?.origin).toBe('healing');
    expect(said()).toContain('healthy');
    await cell.scheduler.health.look();
    expect(cell.scheduler.health.degraded).toBe(0);
  });

  it('is left alone when the leg was repaired meanwhile', async () => {
    await legFails({ kind: 'differs' });
    await legFails({ kind: 'differs', repaired: true });
    expect((await cell.volumeNow()).degraded).toBeNull();
    cell.nowMs += 2 * TEN_MINUTES_MS;
    await cell.scheduler.health.look();
    expect((await cell.volumeNow()).generation).toBe(1);
  });

  it('waits for the change that is under way', async () => {
    await legFails();
    cell.nowMs += TEN_MINUTES_MS;
    const { change } = await cell.change({ qos: { iopsTotal: 5 } });
    await cell.scheduler.health.look();
    expect((await changes())[0]?.changeId).toBe(change.changeId);
    await cell.settle();
    cell.nowMs += 1;
    await cell.scheduler.health.look();
    expect((await changes())[0]?.kind).toBe('heal');
  });

  it('says once why there is no new leg, and has one as soon as there is room', async () => {
    await legFails();
    cell.nowMs += TEN_MINUTES_MS;
    const show = (cordoned: boolean) => {
      for (const { id } of cell.pools) cell.scheduler.hearPoolSnapshot({ ...aPool(id), cordoned });
    };
    show(true);
    await cell.scheduler.health.look();
    await cell.scheduler.health.look();
    expect(cell.warned).toEqual(['a degraded volume has no new leg']);
    show(false);
    await cell.scheduler.health.look();
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ generation: 2, degraded: null });
  });

  it('takes a fresh leg on the same pool where there is no other', async () => {
    await legFails();
    cell.nowMs += TEN_MINUTES_MS;
    const used = volume.legs.map(({ poolId }) => poolId);
    for (const { id } of cell.pools) cell.scheduler.hearPoolSnapshot({ ...aPool(id), cordoned: !used.includes(id) });
    await cell.scheduler.health.look();
    await cell.settle();
    const { legs } = await cell.volumeNow();
    expect(legs.map(({ poolId }) => poolId).toSorted()).toEqual(used.toSorted());
    expect(legs.map(({ legId }) => legId)).not.toContain(badLeg()?.legId);
  });
});
