import type { DesiredCardLeg } from '@flexbso/contracts';
import type { LegFinding } from '@flexbso/dataplane-port';
import { open, readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { startLoad, UNTIL_STOPPED } from '../testing/load.js';
import { installedQemus, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { addThreeLegs, buildMirror, carriedBy, mirrorOf, shownFirst } from '../testing/test-mirror.js';
import { MIB, TestVolume, testKeyRef } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 32 * MIB;
const mirror = mirrorOf(true);

async function overwrite(site: QsdSite, legId: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(site.legFile(legId), 'r+');
  await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}

const legContents = (site: QsdSite, legs: readonly DesiredCardLeg[]): Promise<Buffer[]> =>
  Promise.all(legs.map(({ legId }) => readFile(site.legFile(legId))));

for (const qemu of installedQemus()) {
  test(`${qemu.name}: bad places of a leg are told of and repaired beneath verified I/O, and swaps go in and out`, async () => {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, sizeBytes);
    const plain = await volume.addLeg('host', 'leg-000000000a');
    await volume.perform(...volume.create(plain));
    const uri = (await volume.observe()).exports[0]?.uri ?? '';
    const told: LegFinding[] = [];
    site.card.onLegBad((_volumeId, finding) => told.push(finding));
    await site.guest.write(volume.volumeId, 24 * MIB, Buffer.alloc(4 * MIB, 'kept '));
    const verified = ['--rw=randwrite', '--verify=crc32c', '--verify_backlog=256', '--verify_fatal=1'];
    // Two writes to one place at once may reach the legs in different orders: those would be told of too.
    const bounded = ['--serialize_overlap=1', `--size=${16 * MIB}`, '--rate_iops=1500', ...UNTIL_STOPPED];
    const load = startLoad(uri, ...verified, ...bounded);

    const legs = await addThreeLegs(volume);
    await volume.perform(...buildMirror(2, legs, mirror), ...carriedBy(volume, 2));
    const [, bad] = legs;
    expect(told).toEqual([]);
    await overwrite(site, bad.legId, 25 * MIB, Buffer.alloc(8192, 'wrong '));
    const kept = await site.guest.read(volume.volumeId, 24 * MIB, 4 * MIB);
    expect(kept.equals(Buffer.alloc(4 * MIB, 'kept '))).toBe(true);
    await vi.waitFor(() =>
      expect(told).toContainEqual(expect.objectContaining({ legId: bad.legId, kind: 'differs', isWrittenOver: true })),
    );
    const [finding] = told;
    expect(finding?.offsetBytes).toBeLessThanOrEqual(25 * MIB);
    expect((finding?.offsetBytes ?? 0) + (finding?.lengthBytes ?? 0)).toBeGreaterThanOrEqual(25 * MIB + 8192);
    const content = (await readFile(site.legFile(bad.legId))).subarray(24 * MIB, 28 * MIB);
    expect(content.equals(kept)).toBe(true);

    // Where the load writes: whatever it has in flight, the leg is as the others once all of it was read.
    for (let offset = 0; offset < 16 * MIB; offset += MIB)
      await overwrite(site, bad.legId, offset, Buffer.alloc(4096, 'wrong too '));
    await site.guest.read(volume.volumeId, 0, sizeBytes);

    const encrypted = await addThreeLegs(volume, true);
    const legIds = encrypted.map(({ legId }) => legId);
    await volume.perform(
      ...buildMirror(3, encrypted, mirror),
      { kind: 'format-encryption', stackGeneration: 3, keyRef: testKeyRef, legIds },
      { kind: 'open-encryption', stackGeneration: 3, keyRef: testKeyRef },
      ...carriedBy(volume, 3),
    );
    load.stop();
    expect(await load.ended).toMatchObject({ error: 0 });
    expect((await volume.observe()).stacks).toMatchObject([
      { stackGeneration: 3, layers: [{ kind: 'encryption' }, mirror], keyRef: testKeyRef },
    ]);
    expect((await site.guest.read(volume.volumeId, 24 * MIB, 4 * MIB)).equals(kept)).toBe(true);
    const [one, ...others] = await legContents(site, encrypted);
    for (const other of others) expect(other.equals(one ?? Buffer.alloc(0))).toBe(true);
    expect(new Set(told.map(({ legId }) => legId))).toEqual(new Set([bad.legId]));
  });

  test(`${qemu.name}: reads beside writes to the same places find no good leg to be bad`, async () => {
    const site = await makeSite(qemu);
    const volume = new TestVolume(site, sizeBytes);
    const legs = await addThreeLegs(volume);
    await volume.perform({ kind: 'start-data-plane' }, ...buildMirror(1, legs, mirror), ...shownFirst(sizeBytes));
    const told: LegFinding[] = [];
    site.card.onLegBad((_volumeId, finding) => told.push(finding));
    const uri = (await volume.observe()).exports[0]?.uri ?? '';
    // One write at a time, as to one place of a disk, and sixteen reads of the same sixteen blocks: they meet all the time.
    const small = [`--size=${64 * 1024}`, '--norandommap'];
    const reads = startLoad(uri, '--rw=randread', ...small, ...UNTIL_STOPPED);
    const few = ['--iodepth=1', `--io_size=${500 * 4096}`];
    const writes = await startLoad(uri, '--rw=randwrite', ...small, ...few).ended;
    reads.stop();
    expect([writes.error, (await reads.ended).error]).toEqual([0, 0]);
    expect(writes.writes).toBe(500);
    expect(told).toEqual([]);
    const [one, ...others] = await legContents(site, legs);
    for (const other of others) expect(other.equals(one ?? Buffer.alloc(0))).toBe(true);
  });
}
