import { DataPlaneError } from '@flexbso/dataplane-port';
import { expect, test } from 'vitest';
import { desiredLeg, installedQemus } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;

for (const qemu of installedQemus()) {
  for (const isEncrypted of [false, true]) {
    test(`${qemu.name}: a volume on ${isEncrypted ? 'an encrypted' : 'a plain'} file grows if the card says that it can, and never shrinks`, async () => {
      const site = await makeSite(qemu);
      const { capabilities } = await site.card.discover();
      const volume = new TestVolume(site, sizeBytes);
      const leg = await volume.addLeg('host', 'leg-000000000a', isEncrypted);
      await volume.perform(...volume.create(leg, isEncrypted ? 'nbd' : 'virtio-blk'));
      const larger = leg.sizeBytes + sizeBytes;
      const context = { desired: desiredLeg(leg.legId, larger), signal: new AbortController().signal };
      await site.hostPool.perform(
        { kind: 'grow-leg', legId: leg.legId, fromSizeBytes: leg.sizeBytes, sizeBytes: larger },
        context,
      );
      const outcome = await volume
        .perform({ kind: 'grow-head', fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes })
        .then(
          () => 'grown',
          (reason: unknown) => (reason instanceof DataPlaneError ? reason.problem.code : reason),
        );
      const canGrow = capabilities.has.some(({ name }) => name === 'live-grow');
      expect(outcome).toBe(canGrow ? 'grown' : 'missing-capability');
      const observed = await volume.observe();
      expect(observed.head?.sizeBytes).toBe(canGrow ? 2 * sizeBytes : sizeBytes);
      expect(observed.exports).toHaveLength(1);
      expect((await site.hostPool.observe(leg.legId))?.sizeBytes).toBe(larger);
      const shrink = volume.perform({ kind: 'grow-head', fromSizeBytes: 2 * sizeBytes, sizeBytes: sizeBytes / 2 });
      await expect(shrink).rejects.toMatchObject({ problem: { code: 'change-refused' } });
    });
  }
}
