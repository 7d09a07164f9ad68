import { readFile } from 'node:fs/promises';
import type { CardStep, Layer } from '@flexbso/contracts';
import { expect, test, vi } from 'vitest';
import { installedQemus, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import {
  addThreeLegs,
  buildMirror,
  carriedBy,
  firstMib,
  mirrorOf,
  openLegs,
  serveAgain,
  shownFirst,
} from '../testing/test-mirror.js';
import { MIB, TestVolume, testKeyRef } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const mirror = mirrorOf(false);
const before = Buffer.alloc(MIB, 'before it failed ');
const after = Buffer.alloc(MIB, 'after it failed ');

/** A volume whose guest's first MiB is `before`, on a mirror of one leg in the host and two on the network. */
async function mirrored(site: QsdSite) {
  const volume = new TestVolume(site, sizeBytes);
  const legs = await addThreeLegs(volume);
  await volume.perform({ kind: 'start-data-plane' }, ...buildMirror(1, legs, mirror), ...shownFirst(sizeBytes));
  await site.guest.write(volume.volumeId, 0, before);
  return { volume, legs };
}

for (const qemu of installedQemus()) {
  const fast = { card: { reconnectDelaySeconds: 1 } };

  test(`${qemu.name}: a leg that missed a write never answers for it again, whoever has restarted, and what heals is the new content`, async () => {
    const site = await makeSite(qemu, fast);
    const { volume, legs } = await mirrored(site);
    const [, stale] = legs;
    // No agent from here on: the driver that built it all is gone, and with it whoever could have heard an event.
    await site.card.close();
    await site.killLegServer(stale.legId);
    await site.guest.write(volume.volumeId, 0, after);
    await serveAgain(site, stale);
    // It is back once a write reaches it, and it still holds what it held where it missed one.
    await vi.waitFor(
      async () => {
        await site.guest.write(volume.volumeId, 4 * MIB, after);
        expect((await readFile(site.legFile(stale.legId))).subarray(4 * MIB, 5 * MIB).equals(after)).toBe(true);
      },
      { timeout: 20_000 },
    );
    expect((await firstMib(site, stale.legId)).equals(before)).toBe(true);
    for (let read = 0; read < 20; read += 1)
      expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(after)).toBe(true);

    await site.restartCard();
    expect((await volume.observe()).stacks).toMatchObject([{ stackGeneration: 1, layers: [mirror] }]);
    expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(after)).toBe(true);
    const fresh = await addThreeLegs(volume);
    await volume.perform(...buildMirror(2, fresh, mirror), ...carriedBy(volume, 2));
    for (const { legId } of fresh) expect((await firstMib(site, legId)).equals(after)).toBe(true);
    expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(after)).toBe(true);
  });

  test(`${qemu.name}: with a second leg gone, what the stale one missed is an error and never its old content`, async () => {
    const site = await makeSite(qemu, fast);
    const { volume, legs } = await mirrored(site);
    const [, stale, gone] = legs;
    await site.killLegServer(stale.legId);
    await site.guest.write(volume.volumeId, 0, after);
    await serveAgain(site, stale);
    await vi.waitFor(
      async () => {
        await site.guest.write(volume.volumeId, 4 * MIB, after);
        expect((await readFile(site.legFile(stale.legId))).subarray(4 * MIB, 5 * MIB).equals(after)).toBe(true);
      },
      { timeout: 20_000 },
    );
    await site.killLegServer(gone.legId);
    await expect(site.guest.read(volume.volumeId, 0, MIB)).rejects.toThrow('error 5');
    expect((await site.guest.read(volume.volumeId, 4 * MIB, MIB)).equals(after)).toBe(true);
  });

  test(`${qemu.name}: a guest's stack becomes a mirror, an encrypted mirror, and one leg again`, async () => {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, sizeBytes);
    const plain = await volume.addLeg('host', 'leg-000000000a');
    await volume.perform(...volume.create(plain));
    const bytes = Buffer.alloc(sizeBytes, 'pattern ');
    await site.guest.write(volume.volumeId, 0, bytes);

    const three = await addThreeLegs(volume);
    await volume.perform(...buildMirror(2, three, mirror), ...carriedBy(volume, 2));
    expect(await volume.observe()).toMatchObject({
      head: { stackGeneration: 2 },
      stacks: [{ stackGeneration: 2, layers: [mirror], keyRef: null }],
    });

    const encrypted = await addThreeLegs(volume, true);
    await volume.perform(
      ...buildMirror(3, encrypted, mirror),
      {
        kind: 'format-encryption',
        stackGeneration: 3,
        keyRef: testKeyRef,
        legIds: encrypted.map(({ legId }) => legId),
      },
      { kind: 'open-encryption', stackGeneration: 3, keyRef: testKeyRef },
      ...carriedBy(volume, 3),
    );
    expect(await volume.observe()).toMatchObject({
      head: { stackGeneration: 3 },
      stacks: [
        {
          stackGeneration: 3,
          layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }, mirror],
          keyRef: testKeyRef,
          legs: [{ legId: 'leg-000000000e' }, { legId: 'leg-000000000f' }, { legId: 'leg-000000000g' }],
        },
      ],
    });
    const files = await Promise.all(encrypted.map(({ legId }) => readFile(site.legFile(legId))));
    for (const file of files) {
      expect(file.equals(files[0] ?? Buffer.alloc(0))).toBe(true);
      expect(file.includes('pattern pattern')).toBe(false);
    }

    const last = await volume.addLeg('network', 'leg-000000000h');
    await volume.perform(...volume.build(4, last), ...carriedBy(volume, 4));
    expect((await volume.observe()).stacks).toMatchObject([{ stackGeneration: 4, layers: [] }]);
    expect((await site.guest.read(volume.volumeId, 0, sizeBytes)).equals(bytes)).toBe(true);
  });

  test(`${qemu.name}: a mirror that is taken back leaves its legs, and the one beneath the guest is not taken away`, async () => {
    const site = await makeSite(qemu);
    const { volume, legs } = await mirrored(site);
    const legIds = legs.map(({ legId }) => legId);
    const carrying: CardStep = { kind: 'build-redundancy', stackGeneration: 1, layer: mirror, legIds };
    await expect(site.card.undo(volume.volumeId, carrying, volume.context())).rejects.toMatchObject({
      problem: { code: 'step-failed' },
    });
    const next = [
      await volume.addLeg('host', 'leg-000000000d'),
      await volume.addLeg('host', 'leg-000000000e'),
      await volume.addLeg('host', 'leg-000000000f'),
    ];
    const steps = buildMirror(2, next, mirror);
    await volume.perform(...steps, ...steps);
    for (const step of steps.toReversed()) await site.card.undo(volume.volumeId, step, volume.context());
    expect((await volume.observe()).stacks).toMatchObject([{ stackGeneration: 1 }]);
  });
}

test('two legs are no mirror here: they could not tell which of them is stale', async () => {
  const [qemu] = installedQemus();
  if (qemu === undefined) throw new Error('no QEMU');
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const legs = [await volume.addLeg('host', 'leg-000000000a'), await volume.addLeg('host', 'leg-000000000b')];
  const layer: Layer = { ...mirror, legCount: 2 };
  const legIds = legs.map(({ legId }) => legId);
  await volume.perform({ kind: 'start-data-plane' }, ...openLegs(1, legs));
  await expect(volume.perform({ kind: 'build-redundancy', stackGeneration: 1, layer, legIds })).rejects.toMatchObject({
    problem: { code: 'missing-capability' },
  });
});
