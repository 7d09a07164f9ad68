import { type CapabilityName, capabilityNameSchema, type Layer, type Plan } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { aCard, aPool, encrypted, MIB } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

const [encryption] = encrypted.layers;
const mirror = (legCount: number, safeRead = false): Layer => ({ kind: 'raid1', legCount, safeRead });
const byPools: Layer = { kind: 'compression', algorithm: 'zstd', by: 'pools' };
const byCard: Layer = { kind: 'compression', algorithm: 'zstd' };

/** Where its one leg can become larger: a leg is a file of the card's own pool, or served over the network. */
type Legs = 'file' | 'network';
interface Row {
  readonly name: string;
  readonly layers: readonly Layer[];
  /** How it grows where the legs are files, and where they are not. */
  readonly grows: Readonly<Record<Legs, 'in-place' | 'window'>>;
  /** Zero cut-overs: where it is. Two: by way of one leg. */
  readonly cutOvers: Readonly<Record<Legs, 0 | 1 | 2>>;
  readonly lacks: readonly Plan['lacks'][number][];
}

const onOneLeg = {
  grows: { file: 'in-place', network: 'window' },
  cutOvers: { file: 0, network: 1 },
  lacks: [],
} as const;
const byWayOfOneLeg = { grows: { file: 'window', network: 'window' }, cutOvers: { file: 2, network: 2 } } as const;

const rows: Row[] = [
  { name: 'one leg', layers: [], ...onOneLeg },
  { name: 'encrypted', layers: [encryption], ...onOneLeg },
  { name: 'compressed by its pool', layers: [byPools], ...onOneLeg },
  { name: 'compressed by the card', layers: [byCard], ...byWayOfOneLeg, lacks: ['compression'] },
  { name: 'compressed and encrypted', layers: [byCard, encryption], ...byWayOfOneLeg, lacks: ['compression'] },
  { name: 'a mirror of two', layers: [mirror(2)], ...byWayOfOneLeg, lacks: ['redundancy'] },
  { name: 'a mirror of three', layers: [mirror(3)], ...byWayOfOneLeg, lacks: ['redundancy'] },
  { name: 'a mirror with safe reads', layers: [mirror(3, true)], ...byWayOfOneLeg, lacks: ['redundancy'] },
  { name: 'an encrypted mirror', layers: [encryption, mirror(3)], ...byWayOfOneLeg, lacks: ['redundancy'] },
  { name: 'a mirror compressed by its pools', layers: [byPools, mirror(3)], ...byWayOfOneLeg, lacks: ['redundancy'] },
  {
    name: 'everything at once',
    layers: [byCard, encryption, mirror(2)],
    ...byWayOfOneLeg,
    lacks: ['redundancy', 'compression'],
  },
  { name: 'stripes', layers: [{ kind: 'raid0', legCount: 2 }], ...byWayOfOneLeg, lacks: [] },
  { name: 'parity', layers: [{ kind: 'raid5f', legCount: 3 }], ...byWayOfOneLeg, lacks: ['redundancy'] },
];

/** Cards and pools that can do everything, but for what is named. */
async function cellWith(legs: Legs, without: readonly CapabilityName[] = []): Promise<MemoryCell> {
  const cell = await MemoryCell.start();
  const has = (names: readonly CapabilityName[]) =>
    names
      .filter((name) => !without.includes(name))
      .map((name) => ({ name, limits: name === 'encryption' ? { headerBytes: 2 * MIB } : {} }));
  for (const { id } of cell.cards)
    cell.scheduler.hearCardSnapshot({
      ...aCard(id),
      capabilities: { has: has(capabilityNameSchema.options), lacks: [] },
    });
  const served: CapabilityName = legs === 'file' ? 'leg.file' : 'leg.nbd';
  for (const { id } of cell.pools) {
    const pool = aPool(id, { reach: legs === 'file' ? 'host' : 'network' });
    cell.scheduler.hearPoolSnapshot({
      ...pool,
      capabilities: { has: has([served, 'grow-leg', 'compress-leg']), lacks: [] },
    });
  }
  return cell;
}

const larger = { sizeBytes: 512 * MIB };

describe.each(['file', 'network'] as const)('grow on every stack, on legs by %s', (legs) => {
  it.each(rows)('$name', async ({ layers, grows, cutOvers, lacks }) => {
    // Compression by pools needs cards that do not compress by themselves.
    const isByPools = layers.some((layer) => layer.kind === 'compression' && layer.by === 'pools');
    const cell = await cellWith(legs, isByPools ? ['compression'] : []);
    await cell.create({ stack: { layers: [...layers] } });
    const before = await cell.volumeNow();
    const { change } = await cell.change(larger);
    expect(change.plan).toMatchObject({
      grows: grows[legs],
      lacks: [...lacks],
      guestFeels: 'its device becomes larger',
    });
    expect(change.plan.steps.filter(({ cutOver }) => cutOver)).toHaveLength(cutOvers[legs]);
    expect(change.plan.secondStageAt === null).toBe(cutOvers[legs] < 2);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', problem: null });
    expect(await cell.volumeNow()).toMatchObject({ ...larger, stack: before.stack, state: 'ready' });
    await expectNothingLeft(cell);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    await expect(cell.change({ sizeBytes: 128 * MIB })).rejects.toThrow('cannot shrink');
  });

  it.each(rows)('$name, refused where the guest could not be told', async ({ layers }) => {
    const isByPools = layers.some((layer) => layer.kind === 'compression' && layer.by === 'pools');
    const cell = await cellWith(legs, isByPools ? ['live-grow', 'compression'] : ['live-grow']);
    await cell.create({ stack: { layers: [...layers] } });
    await expect(cell.change(larger)).rejects.toThrow('live-grow');
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes: 256 * MIB, generation: 1, state: 'ready' });
  });
});
