import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Volume, volumeSpaceSchema } from '@flexbso/contracts';
import { until } from '../api/until.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { refusalOf } from './testing/refusal.js';
import { subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
// Needs what mounts need: root and loop devices. Without them these tests fail.
beforeAll(() => system.start('sqlite', ['pool-1', 'pool-5']), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { holds } = subjectsOn(system);

const spaceOf = ({ volumeId }: Volume) => system.api.get(`/v1/volumes/${volumeId}/space`, volumeSpaceSchema);

describe('compression under verified I/O', { timeout: 300_000 }, () => {
  it('is switched on, moved to another pool that can, and switched off, with no byte lost', async () => {
    const placement = { cardId: 'card-1', poolIds: ['pool-4'] };
    const volume = await system.create('shrinks', { placement });
    const ledger = new BlockLedger(volume.sizeBytes);
    await fillVolume(system.targetOf(volume), ledger);
    const changed = async (poolId: string, ...words: string[]) => {
      const result = await system.underLoad(volume, ledger, async () => {
        const { status, stderr } = await system.flexbso('change', 'volume', 'shrinks', ...words, '--wait');
        expect([status, stderr]).toEqual([0, expect.anything()]);
      });
      expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
      await holds({ volume, ledger }, poolId);
    };
    await changed('pool-5', '--compression', 'on', '--pool', 'pool-5');
    expect((await system.api.volume(volume.volumeId)).stack.layers).toEqual([
      { kind: 'compression', algorithm: 'zstd', by: 'pools' },
    ]);
    await changed('pool-1', '--pool', 'pool-1');
    await until('its pool has measured the leg', DEADLINE_MS, async () => (await spaceOf(volume)).savedBytes !== null);
    const { stdout } = await system.flexbso('describe', 'volume', 'shrinks');
    expect(stdout).toMatch(/space saved/);
    await changed('pool-4', '--compression', 'off', '--pool', 'pool-4');
    expect((await spaceOf(volume)).savedBytes).toBeNull();
    await system.remove(await system.api.volume(volume.volumeId));
  });

  it('is refused on pools that cannot, with the reason of each, and beneath encryption', async () => {
    const layers = [{ kind: 'compression' }];
    const onPlain = { sizeBytes: 64 * MiB, protocol: 'nbd', placement: { cardId: 'card-1', poolIds: ['pool-4'] } };
    const lacking = await refusalOf(system.api.createVolume({ ...onPlain, name: 'nowhere', stack: { layers } }));
    expect(lacking).toMatchObject({ code: 'missing-capability' });
    expect(lacking.detail).toMatch(/pool-4 .*btrfs/);
    const placement = { cardId: 'card-1', poolIds: ['pool-1'] };
    const volume = await system.create('small', { placement, stack: { layers } });
    const refused = await system.flexbso('change', 'volume', 'small', '--encryption', 'on');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/compression beneath encryption saves nothing/);
    expect(await system.api.volume(volume.volumeId)).toEqual(volume);
    await system.remove(volume);
  });
});
