import { POOL_CAPACITY_BYTES, poolDataPlaneConformance } from '@flexbso/dataplane-port/conformance';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BtrfsPools } from '../testing/btrfs-pools.js';
import { QsdSite, setupQemu } from '../testing/qsd-site.js';
import { MIB, TestVolume } from '../testing/test-volume.js';
import { QsdPoolDataPlane } from './qsd-pool-data-plane.js';

const qemu = setupQemu();
for (const reach of ['host', 'network'] as const)
  poolDataPlaneConformance(`${qemu.name} on btrfs, reach ${reach},`, () => fixtureOf(reach));

async function fixtureOf(reach: 'host' | 'network') {
  const pools = await BtrfsPools.make();
  const site = await QsdSite.make(qemu, { poolCapacityBytes: POOL_CAPACITY_BYTES, pools });
  const [dataPlane, options] =
    reach === 'host' ? [site.hostPool, site.hostPoolOptions] : [site.networkPool, site.networkPoolOptions];
  return {
    dataPlane,
    restart: () => Promise.resolve(new QsdPoolDataPlane(options)),
    dispose: async () => {
      await site.dispose();
      await pools.dispose();
    },
  };
}

let pools: BtrfsPools;
let site: QsdSite;
beforeEach(async () => {
  pools = await BtrfsPools.make();
  site = await QsdSite.make(qemu, { pools });
});
afterEach(async () => {
  await site.dispose();
  await pools.dispose();
});

const text = (sizeBytes: number) => Buffer.alloc(sizeBytes, 'the same words again and again, as in a log; ');

it.each(['host', 'network'] as const)(
  'a pool on btrfs of reach %s says so, and gives a leg that is compressed less than it holds',
  async (reach) => {
    const pool = reach === 'host' ? site.hostPool : site.networkPool;
    const { capabilities } = await pool.discover();
    expect(capabilities.has).toContainEqual({ name: 'compress-leg', limits: { algorithms: 'zstd, deflate' } });
    for (const [legId, algorithm] of [
      ['leg-000000000z', 'zstd'],
      ['leg-000000000d', 'deflate'],
    ] as const) {
      const leg = await site.makeLeg(reach, legId, 64 * MIB, algorithm);
      const volume = new TestVolume(site, 64 * MIB);
      volume.legs.push(leg);
      await volume.perform(...volume.create(leg));
      await site.withGuest(volume.volumeId, async (guest) => {
        for (let offset = 0; offset < 32 * MIB; offset += MIB) await guest.write(offset, text(MIB));
      });
      expect((await site.guest.read(volume.volumeId, 5 * MIB, MIB)).equals(text(MIB))).toBe(true);
      await volume.perform(
        { kind: 'unexport-volume', protocol: 'nbd', functionId: 'fn-1' },
        { kind: 'stop-data-plane' },
      );
      await pools.commit();
      const seen = await pool.observe(legId);
      expect(seen?.uncompressedBytes).toBeGreaterThanOrEqual(32 * MIB);
      expect(seen?.allocatedBytes).toBeLessThan(8 * MIB);
    }
  },
  120_000,
);

it('a leg that is not compressed takes on btrfs what it holds', async () => {
  const leg = await site.makeLeg('host', 'leg-000000000p', 16 * MIB);
  const volume = new TestVolume(site, 16 * MIB);
  volume.legs.push(leg);
  await volume.perform(...volume.create(leg));
  await site.guest.write(volume.volumeId, 0, text(8 * MIB));
  await pools.commit();
  expect(await site.hostPool.observe(leg.legId)).toMatchObject({ allocatedBytes: 8 * MIB });
  expect((await site.hostPool.observe(leg.legId))?.uncompressedBytes).toBeUndefined();
});
