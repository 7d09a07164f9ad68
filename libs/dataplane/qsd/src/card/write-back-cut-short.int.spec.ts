import type { CardStep } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { describe, expect, test } from 'vitest';
import { type Graph, readGraph } from '../graph/graph.js';
import { HELD } from '../graph/node-names.js';
import { cutShort } from '../testing/cut-short.js';
import { installedQemus, type Qemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';
import { QsdCardDataPlane } from './qsd-card-data-plane.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const [before, above] = [Buffer.alloc(sizeBytes, 'before '), Buffer.alloc(MIB, 'above ')];
const writeBack: CardStep = {
  kind: 'copy',
  fromStackGeneration: 2,
  toStackGeneration: 1,
  bytes: sizeBytes,
  copyBytesPerSecond: 256 * MIB,
  commits: true,
};

/** A volume on an overlay that holds some of it. */
async function volumeOnOverlay(qemu: Qemu): Promise<TestVolume> {
  const site = await makeSite(qemu);
  const volume = new TestVolume(site, sizeBytes);
  const legBytes = overlayBytes(sizeBytes, (await site.card.discover()).capabilities);
  const base = await volume.addLeg('host', 'leg-000000000a');
  const overlay = await volume.addLeg('host', 'leg-000000000b', false, legBytes);
  await volume.perform(...volume.create(base));
  await site.guest.write(volume.volumeId, 0, before);
  await volume.perform(
    { kind: 'open-leg', stackGeneration: 2, legId: overlay.legId, epoch: 1, sizeBytes: overlay.sizeBytes },
    { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds: [overlay.legId] },
    { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 },
    { kind: 'cut-over', fromStackGeneration: 1, toStackGeneration: 2, onto: 'overlay' },
  );
  await site.guest.write(volume.volumeId, 4 * MIB, above);
  return volume;
}

/** What there is, of which nobody says anything. */
async function graphOf(volume: TestVolume): Promise<Graph> {
  await volume.site.card.close();
  const { qmp } = volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId);
  const graph = await readGraph(qmp);
  await qmp.close();
  return graph;
}

async function isWrittenBack(volume: TestVolume): Promise<void> {
  await volume.perform(writeBack, { kind: 'cut-over', fromStackGeneration: 2, toStackGeneration: 1 });
  const expected = Buffer.concat([before.subarray(0, 4 * MIB), above, before.subarray(5 * MIB)]);
  expect((await volume.site.guest.read(volume.volumeId, 0, sizeBytes)).equals(expected)).toBe(true);
  expect((await volume.observe()).head?.stackGeneration).toBe(1);
}

describe.each(installedQemus())('on $name, of a write back', (qemu) => {
  test.each(['object-add', 'blockdev-reopen', 'transaction', 'blockdev-mirror'])(
    'whose agent dies after %s, the guest is let go and the copy ended by whoever looks next, without a step',
    async (command) => {
      const volume = await volumeOnOverlay(qemu);
      expect(await cutShort(volume, writeBack, command)).toBe(true);
      expect((await graphOf(volume)).objects).toContain(HELD);
      const [observed, again] = await Promise.all([volume.observe(), volume.observe()]);
      expect(observed).toMatchObject({ head: { stackGeneration: 2 }, copy: null });
      expect(again).toEqual(observed);
      expect((await graphOf(volume)).objects).not.toContain(HELD);
      await isWrittenBack(volume);
    },
  );

  test('a look while it begins leaves it alone, and does not find it ready', async () => {
    const volume = await volumeOnOverlay(qemu);
    await volume.site.card.close();
    const states: unknown[] = [];
    const card = new QsdCardDataPlane(volume.site.cardOptions, async (when, command) => {
      if (when !== 'after' || command !== 'blockdev-mirror') return;
      states.push((await card.observe(volume.volumeId)).copy?.state);
    });
    await card.perform(volume.volumeId, writeBack, volume.context());
    expect((await card.observe(volume.volumeId)).copy?.state).toBe('ready');
    expect(states).toEqual(['running']);
    await card.close();
    await isWrittenBack(volume);
  });

  test('a beginning of which the end was not seen is taken back at once', async () => {
    const volume = await volumeOnOverlay(qemu);
    await volume.site.card.close();
    let isMirroring = false;
    const card = new QsdCardDataPlane(volume.site.cardOptions, async (when, command) => {
      if (when === 'before' && command === 'query-jobs' && isMirroring) {
        isMirroring = false;
        throw new Error('the daemon did not answer');
      }
      isMirroring ||= when === 'after' && command === 'blockdev-mirror';
    });
    await expect(card.perform(volume.volumeId, writeBack, volume.context())).rejects.toThrow('did not answer');
    await card.close();
    const { objects, jobs } = await graphOf(volume);
    expect({ isHeld: objects.includes(HELD), jobs }).toEqual({ isHeld: false, jobs: [] });
    await isWrittenBack(volume);
  });
});
