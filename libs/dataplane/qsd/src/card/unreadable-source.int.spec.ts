import { expect, test, vi } from 'vitest';
import { installedQemus, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { serveAgain } from '../testing/test-mirror.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const bytes = Buffer.alloc(sizeBytes, 'pattern ');

/** A volume on a remote leg, whose copy to a pool in the host has begun. */
async function copying(site: QsdSite) {
  const volume = new TestVolume(site, sizeBytes);
  const old = await volume.addLeg('network', 'leg-000000000a');
  const next = await volume.addLeg('host', 'leg-000000000b');
  await volume.perform(...volume.create(old));
  await site.guest.write(volume.volumeId, 0, bytes);
  await volume.perform(...volume.build(2, next));
  const copy = volume.copy(2, 4 * MIB);
  const stop = new AbortController();
  const outcome = site.card
    .perform(volume.volumeId, copy, volume.context({ signal: stop.signal }))
    .catch((reason: unknown) => reason);
  await vi.waitFor(async () => expect((await volume.observe()).copy?.doneBytes).toBeGreaterThan(0), {
    timeout: 10_000,
  });
  return { volume, old, next, copy, outcome, stop };
}

for (const qemu of installedQemus()) {
  const fast = { card: { reconnectDelaySeconds: 1 } };

  test(`${qemu.name}: a copy that stopped where it could not read goes on when it can, whoever asks for it then`, async () => {
    const site = await makeSite(qemu, fast);
    const { volume, old, next, copy, outcome, stop } = await copying(site);
    await site.killLegServer(old.legId);
    // What is in flight fails once the leg was waited for, and what the copy reads is always in flight.
    await expect(site.guest.read(volume.volumeId, 0, MIB)).rejects.toThrow('error 5');
    stop.abort();
    expect(await outcome).toMatchObject({ retryable: true });
    expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 1 }, copy: { state: 'running' } });
    await serveAgain(site, old);
    await vi.waitFor(() => site.guest.read(volume.volumeId, 0, MIB), { timeout: 30_000 });
    await site.restartCard();
    await volume.perform(copy, volume.cutOver(2), volume.retire(1, old));
    expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 2 }, copy: null });
    expect((await site.guest.read(volume.volumeId, 0, sizeBytes)).equals(bytes)).toBe(true);
    expect(next.legId).toBe((await volume.observe()).stacks[0]?.legs[0]?.legId);
  });

  test(`${qemu.name}: a copy whose old stack cannot be read any more is given up, and says so`, async () => {
    const site = await makeSite(qemu, fast);
    const { volume, old, next, copy, outcome } = await copying(site);
    await site.killLegServer(old.legId);
    expect(await outcome).toMatchObject({
      retryable: false,
      problem: {
        code: 'step-failed',
        detail: expect.stringMatching(/stopped 9 times where the old stack could not be read/),
      },
    });
    expect(await volume.observe()).toMatchObject({ head: { stackGeneration: 1 }, copy: { state: 'failed' } });
    await site.card.undo(volume.volumeId, copy, volume.context());
    await volume.perform(volume.retire(2, next));
    expect(await volume.observe()).toMatchObject({ copy: null, stacks: [{ stackGeneration: 1 }] });
  });
}
