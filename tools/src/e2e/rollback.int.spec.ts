import type { Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { leftoversOf } from './testing/leftovers.js';
import { refusalOf } from './testing/refusal.js';
import { checked } from './testing/subjects.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

async function flexbso(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await system.flexbso(...words);
  expect([status, stderr]).toEqual([0, expect.anything()]);
  return stdout;
}

const now = ({ volumeId }: Volume) => system.api.volume(volumeId);

/** All of a volume written, on top of what is there. */
async function written(volume: Volume): Promise<BlockLedger> {
  const ledger = new BlockLedger(volume.sizeBytes);
  await fillVolume(system.targetOf(await now(volume)), ledger);
  return ledger;
}

async function holds(volume: Volume, ledger: BlockLedger): Promise<void> {
  expect(await system.wrongBlocks(await now(volume), ledger)).toEqual([]);
}

describe('a volume that is rolled back', { timeout: 240_000 }, () => {
  it.each([
    { name: 'plain', layers: [] },
    { name: 'secret', layers: [{ kind: 'encryption' }] },
  ])('holds every byte of its snapshot, on its card and on another, and goes on from there: $name', async (made) => {
    const { name, layers } = made;
    const placement = { cardId: 'card-1', poolIds: ['pool-5'] };
    const volume = await system.create(name, { sizeBytes: 32 * MiB, stack: { layers }, placement });
    const monday = await written(volume);
    await flexbso('create', 'snapshot', name, 'monday', '--wait');
    await written(volume);
    const { volumeId } = volume;
    expect((await refusalOf(system.api.rollbackVolume(volumeId, 'monday'))).code).toBe('change-refused');
    await flexbso('detach', 'volume', name, '--wait');
    const { legs } = await now(volume);
    const [current = 'none'] = legs.toSorted((a, b) => b.stackGeneration - a.stackGeneration).map(({ legId }) => legId);
    expect(await flexbso('rollback', 'volume', name, 'monday', '--dry-run')).toContain(current);
    await flexbso('rollback', 'volume', name, 'monday', '--wait');
    expect((await now(volume)).legs.map(({ legId }) => legId)).not.toContain(current);
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });
    await flexbso('attach', 'volume', name, '--wait');
    await holds(volume, monday);
    const tuesday = await written(volume);
    await flexbso('detach', 'volume', name, '--wait');
    await flexbso('attach', 'volume', name, '--card', 'card-2', '--wait');
    await holds(volume, tuesday);
    await flexbso('detach', 'volume', name, '--wait');
    await flexbso('rollback', 'volume', name, 'monday', '--wait');
    await flexbso('attach', 'volume', name, '--card', 'card-1', '--wait');
    await holds(volume, monday);
    await flexbso('delete', 'snapshot', name, 'monday', '--wait');
    await holds(volume, monday);
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });
    await system.remove(await now(volume));
    expect(await leftoversOf(system)).toEqual([]);
  });
});
