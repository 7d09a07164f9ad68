import { randomBytes } from 'node:crypto';
import { open, readFile, truncate } from 'node:fs/promises';
import type { CardStep } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { expect, test } from 'vitest';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 8 * MIB;
const baseLegId = 'leg-000000000a';
const overlayLegId = 'leg-000000000b';
const written = Buffer.alloc(64 * 1024, 'written ');

/** A volume on an overlay that its guest wrote to and flushed, its data plane dead; and the steps that open it again. */
async function deadOverlay() {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, sizeBytes);
  const base = await volume.addLeg('host', baseLegId);
  const { capabilities } = await site.card.discover();
  const leg = await volume.addLeg('host', overlayLegId, false, overlayBytes(sizeBytes, capabilities));
  const legIds = [overlayLegId];
  const format: CardStep = { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds };
  const build: CardStep = { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 };
  const opened: CardStep = {
    kind: 'open-leg',
    stackGeneration: 2,
    legId: overlayLegId,
    epoch: 1,
    sizeBytes: leg.sizeBytes,
  };
  await volume.perform(...volume.create(base));
  await site.guest.write(volume.volumeId, 0, written);
  await volume.perform(opened, format, build, {
    kind: 'cut-over',
    fromStackGeneration: 1,
    toStackGeneration: 2,
    onto: 'overlay',
  });
  await site.guest.write(volume.volumeId, MIB, written);
  await site.killVolume(volume.volumeId);
  const files = () => Promise.all([baseLegId, overlayLegId].map((legId) => readFile(site.legFile(legId))));
  return { site, volume, steps: { start: volume.create(base).slice(0, 2), opened, format, build }, files };
}

test('an overlay whose tables are damaged is neither opened nor made anew, and what lies beneath it is not touched', async () => {
  const { site, volume, steps, files } = await deadOverlay();
  const file = await open(site.legFile(overlayLegId), 'r+');
  await file.write(randomBytes(4096), 0, 4096, 0);
  await file.close();
  const before = await files();
  await volume.perform(...steps.start, steps.opened);
  for (const step of [steps.build, steps.format])
    await expect(volume.perform(step)).rejects.toMatchObject({
      problem: { code: 'step-failed', detail: expect.stringContaining(overlayLegId) },
    });
  expect((await volume.observe()).stacks.map((stack) => stack.baseStackGeneration)).toEqual([undefined, undefined]);
  const after = await files();
  expect(after.map((content, index) => content.equals(before[index] ?? content.subarray(1)))).toEqual([true, true]);
});

test('an overlay is not opened over a base whose leg was cut short, and is whole once that is back', async () => {
  const { site, volume, steps, files } = await deadOverlay();
  const [base] = await files();
  await truncate(site.legFile(baseLegId), MIB);
  await expect(volume.perform(...steps.start)).rejects.toMatchObject({ problem: { code: 'step-failed' } });
  await expect(volume.perform(steps.opened, steps.build)).rejects.toMatchObject({
    problem: { code: 'step-failed', detail: expect.stringContaining('stack 1') },
  });
  const file = await open(site.legFile(baseLegId), 'r+');
  await file.write(base ?? Buffer.alloc(0), 0);
  await file.close();
  const exported: CardStep = { kind: 'export-volume', protocol: 'nbd', functionId: 'fn-1' };
  const head: CardStep = { kind: 'build-head', stackGeneration: 2, sizeBytes, qos: null };
  await volume.perform(...steps.start, steps.build, head, exported);
  for (const offset of [0, MIB])
    expect((await site.guest.read(volume.volumeId, offset, written.length)).equals(written)).toBe(true);
});
