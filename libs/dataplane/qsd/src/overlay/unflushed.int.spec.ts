import type { CardStep } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { expect, test } from 'vitest';
import { type QsdSite, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 8 * MIB;
const written = Buffer.alloc(64 * 1024, 'written and answered ');
const nothing = Buffer.alloc(written.length);

/** The steps that make a volume, and those that open it again: of one leg, or of an overlay over it. */
async function stepsOf(site: QsdSite, volume: TestVolume, isOverlay: boolean): Promise<[CardStep[], CardStep[]]> {
  const base = await volume.addLeg('host', 'leg-000000000a');
  const plain = volume.create(base);
  if (!isOverlay) return [plain, plain];
  const { capabilities } = await site.card.discover();
  const leg = await volume.addLeg('host', 'leg-000000000b', false, overlayBytes(sizeBytes, capabilities));
  const { legId, epoch, sizeBytes: legBytes } = leg;
  const open: CardStep = { kind: 'open-leg', stackGeneration: 2, legId, epoch, sizeBytes: legBytes };
  const format: CardStep = { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds: [legId] };
  const build: CardStep = { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 };
  const head: CardStep = { kind: 'build-head', stackGeneration: 2, sizeBytes, qos: null };
  const [start, export_] = [plain.slice(0, 2), plain.slice(3)];
  return [
    [...start, open, format, build, head, ...export_],
    [...start, open, build, head, ...export_],
  ];
}

/** What a guest reads that wrote without a flush, when its volume's daemon was ended and started again. */
async function readAgain(isOverlay: boolean, signal: 'SIGKILL' | 'SIGTERM'): Promise<Buffer> {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, sizeBytes);
  const [make, open] = await stepsOf(site, volume, isOverlay);
  await volume.perform(...make);
  await site.withGuest(volume.volumeId, (client) => client.write(MIB, written));
  await site.killVolume(volume.volumeId, signal);
  await volume.perform(...open);
  await site.withGuest(volume.volumeId, (client) => client.flush());
  return site.guest.read(volume.volumeId, MIB, written.length);
}

test.each([
  { of: 'an overlay', signal: 'SIGKILL', isOverlay: true, read: nothing, is: 'lost' },
  { of: 'an overlay', signal: 'SIGTERM', isOverlay: true, read: written, is: 'there' },
  { of: 'a leg', signal: 'SIGKILL', isOverlay: false, read: written, is: 'there' },
] as const)(
  'what $of was written and no flush came for is $is when its daemon went by $signal',
  async ({ isOverlay, signal, read }) => {
    expect((await readAgain(isOverlay, signal)).equals(read)).toBe(true);
  },
);
