import type { DesiredCardLeg } from '@flexbso/contracts';
import type { LegFinding } from '@flexbso/dataplane-port';
import { expect, test, vi } from 'vitest';
import { installedQemus, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import {
  addThreeLegs,
  buildMirror,
  carriedBy,
  firstMib,
  mirrorOf,
  serveAgain,
  shownFirst,
} from '../testing/test-mirror.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const before = Buffer.alloc(MIB, 'before it went ');
const after = Buffer.alloc(MIB, 'after it went ');
const soon = { card: { reconnectDelaySeconds: 1, openTimeoutSeconds: 1 } };
const patient = { card: { reconnectDelaySeconds: 600, openTimeoutSeconds: 1 } };
const waiting = { timeout: 15_000 };

/** A volume on one leg in the host and two on the network; its data plane is gone, and its content is `before`. */
async function gone(site: QsdSite, safeRead: boolean) {
  const volume = new TestVolume(site, sizeBytes);
  const legs = await addThreeLegs(volume);
  await volume.perform(
    { kind: 'start-data-plane' },
    ...buildMirror(1, legs, mirrorOf(safeRead)),
    ...shownFirst(sizeBytes),
  );
  await site.guest.write(volume.volumeId, 0, before);
  await site.killVolume(volume.volumeId);
  await volume.observe();
  return { volume, legs };
}

/** As an agent does it: what is open already is not opened again. */
async function buildAgain(volume: TestVolume, legs: readonly DesiredCardLeg[], safeRead: boolean): Promise<void> {
  const { site, volumeId } = volume;
  const { desired } = volume.context();
  const stack = { ...desired.stack, layers: [mirrorOf(safeRead)] };
  const context = volume.context({ maySpareLegs: true, desired: { ...desired, stack } });
  const { stacks, running } = await volume.observe();
  const isOpen = (legId: string) => stacks.some(({ legs: open }) => open.some((leg) => leg.legId === legId));
  if (!running) await site.card.perform(volumeId, { kind: 'start-data-plane' }, context);
  for (const step of [...buildMirror(1, legs, mirrorOf(safeRead)), ...shownFirst(sizeBytes)])
    if (step.kind !== 'open-leg' || !isOpen(step.legId)) await site.card.perform(volumeId, step, context);
}

for (const qemu of installedQemus()) {
  for (const safeRead of [false, true]) {
    test(`${qemu.name}: a mirror (safe read: ${safeRead}) is built again without a leg that stays away, says so, and heals`, async () => {
      const site = await makeSite(qemu, soon);
      const { volume, legs } = await gone(site, safeRead);
      const [, away] = legs;
      await site.killLegServer(away.legId);
      await vi.waitFor(() => buildAgain(volume, legs, safeRead), waiting);
      expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(before)).toBe(true);
      await site.guest.write(volume.volumeId, 0, after);
      expect(await site.card.openLegs(volume.volumeId)).toHaveLength(2);

      // It is back, and stays out: it is behind.
      await serveAgain(site, away);
      expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(after)).toBe(true);
      expect((await firstMib(site, away.legId)).equals(before)).toBe(true);
      const told: LegFinding[] = [];
      const card = await site.restartCard();
      card.onLegBad((_volumeId, finding) => told.push(finding));
      expect((await volume.observe()).stacks).toMatchObject([{ layers: [mirrorOf(safeRead)], legs: [{}, {}, {}] }]);
      expect(told).toEqual([
        { legId: away.legId, kind: 'read-failed', offsetBytes: 0, lengthBytes: sizeBytes, isWrittenOver: false },
      ]);

      const fresh = await addThreeLegs(volume);
      await volume.perform(...buildMirror(2, fresh, mirrorOf(false)), ...carriedBy(volume, 2));
      for (const { legId } of fresh) expect((await firstMib(site, legId)).equals(after)).toBe(true);
      expect((await volume.observe()).stacks).toMatchObject([{ stackGeneration: 2 }]);
    });
  }

  test(`${qemu.name}: built with all of its legs once more, the one that was away is outvoted where it is behind`, async () => {
    const site = await makeSite(qemu, soon);
    const { volume, legs } = await gone(site, false);
    const [, away] = legs;
    await site.killLegServer(away.legId);
    await vi.waitFor(() => buildAgain(volume, legs, false), waiting);
    await site.guest.write(volume.volumeId, 0, after);
    await site.killVolume(volume.volumeId);
    await volume.observe();
    await serveAgain(site, away);
    await buildAgain(volume, legs, false);
    expect(await site.card.openLegs(volume.volumeId)).toHaveLength(3);
    expect((await firstMib(site, away.legId)).equals(before)).toBe(true);
    expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(after)).toBe(true);
  });

  test(`${qemu.name}: it waits for a leg as long as I/O would, and where it was never built before for each of them`, async () => {
    const site = await makeSite(qemu, patient);
    const { volume, legs } = await gone(site, false);
    await site.killLegServer(legs[1].legId);
    await expect(buildAgain(volume, legs, false)).rejects.toMatchObject({ retryable: true });
    expect((await volume.observe()).head).toBeNull();
    await site.restartCard({ reconnectDelaySeconds: 1 });
    await expect(volume.perform(...buildMirror(1, legs, mirrorOf(false)))).rejects.toMatchObject({ retryable: true });
    await vi.waitFor(() => buildAgain(volume, legs, false), waiting);
    expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(before)).toBe(true);
  });

  test(`${qemu.name}: with two of three legs away it waits, and goes on with whichever is back first`, async () => {
    const site = await makeSite(qemu, soon);
    const { volume, legs } = await gone(site, false);
    const [, first, second] = legs;
    await site.killLegServer(first.legId);
    await site.killLegServer(second.legId);
    await vi.waitFor(async () => {
      await expect(buildAgain(volume, legs, false)).rejects.toThrow(second.legId);
    }, waiting);
    expect((await volume.observe()).head).toBeNull();
    await serveAgain(site, first);
    await vi.waitFor(() => buildAgain(volume, legs, false), waiting);
    const open = (await site.card.openLegs(volume.volumeId)).map(({ legId }) => legId);
    expect(open.toSorted()).toEqual([legs[0].legId, first.legId]);
    expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(before)).toBe(true);
  });
}
