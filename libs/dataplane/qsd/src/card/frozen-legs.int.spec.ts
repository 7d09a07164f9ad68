import { open, readFile } from 'node:fs/promises';
import type { CardStep, Layer } from '@flexbso/contracts';
import type { LegFinding } from '@flexbso/dataplane-port';
import { expect, test, vi } from 'vitest';
import { installedQemus, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const mirror: Layer = { kind: 'raid1', legCount: 3, safeRead: true };
const kept = Buffer.alloc(MIB, 'kept ');
const wrong = Buffer.alloc(8192, 'wrong ');

async function overwrite(site: QsdSite, legId: string, bytes: Buffer): Promise<void> {
  const file = await open(site.legFile(legId), 'r+');
  await file.write(bytes, 0, bytes.length, 0);
  await file.close();
}

/** An overlay on a mirror whose legs are kept for a snapshot, one of which holds something wrong. */
async function onSnapshot(site: QsdSite, isShared: boolean) {
  const volume = new TestVolume(site, sizeBytes);
  const frozen = [
    await volume.addLeg('host', 'leg-000000000a'),
    await volume.addLeg('host', 'leg-000000000b'),
    await volume.addLeg('host', 'leg-000000000c'),
  ] as const;
  const own = await volume.addLeg('host', 'leg-000000000d', false, 2 * sizeBytes);
  for (const { legId } of frozen) await overwrite(site, legId, kept);
  await overwrite(site, frozen[1].legId, wrong);
  const opening = (stackGeneration: number, { legId, epoch, sizeBytes: legBytes }: typeof own): CardStep => ({
    kind: 'open-leg',
    stackGeneration,
    legId,
    epoch,
    sizeBytes: legBytes,
  });
  const steps: CardStep[] = [
    { kind: 'start-data-plane' },
    ...frozen.map((leg) => opening(1, leg)),
    { kind: 'build-redundancy', stackGeneration: 1, layer: mirror, legIds: frozen.map(({ legId }) => legId) },
    opening(2, own),
    { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds: [own.legId] },
    { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 },
    { kind: 'build-head', stackGeneration: 2, sizeBytes, qos: null },
    { kind: 'export-volume', protocol: 'nbd', functionId: 'fn-1' },
  ];
  const { desired } = volume.context();
  const base = { stackGeneration: 1, layers: [mirror], encryptionKey: null, legs: [...frozen] };
  const context = volume.context({
    desired: {
      ...desired,
      stack: { ...desired.stack, stackGeneration: 2, legs: [own] },
      bases: [isShared ? { ...base, shared: true } : base],
    },
  });
  for (const step of steps) await site.card.perform(volume.volumeId, step, context);
  return { volume, badLegId: frozen[1].legId };
}

const cases = [
  { whose: 'the volume whose snapshot it is writes it over with what the others hold', isShared: false },
  { whose: 'a clone leaves it as it is, and says so', isShared: true },
];
for (const qemu of installedQemus())
  for (const { whose, isShared } of cases)
    test(`${qemu.name}: a safe read tells of what differs on a leg that is kept for a snapshot: ${whose}`, async () => {
      const site = await makeSite(qemu);
      const told: LegFinding[] = [];
      site.card.onLegBad((_volumeId, finding) => told.push(finding));
      const { volume, badLegId } = await onSnapshot(site, isShared);
      expect((await site.guest.read(volume.volumeId, 0, MIB)).equals(kept)).toBe(true);
      await vi.waitFor(() =>
        expect(told).toContainEqual(
          expect.objectContaining({ legId: badLegId, kind: 'differs', isWrittenOver: !isShared }),
        ),
      );
      const begins = (await readFile(site.legFile(badLegId))).subarray(0, wrong.length);
      expect(begins.equals(isShared ? wrong : kept.subarray(0, wrong.length))).toBe(true);
    });
