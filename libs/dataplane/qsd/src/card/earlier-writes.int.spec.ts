import { eventually } from '@flexbso/testkit';
import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nothing } from '../qmp/replies.js';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();

// A copy relies on it before it says that both stacks hold the same.
test('a transaction of no actions is answered when all that the guest asked for before is done', async () => {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, 16 * MIB);
  const leg = await volume.addLeg('host', 'leg-000000000a');
  await volume.perform(...volume.create(leg, 'nbd', { iopsTotal: 1 }));
  const pages = Array.from({ length: 8 }, (_, index) => Buffer.alloc(4096, index + 1));
  const done: number[] = [];
  const writing = pages.map(async (page, index) => {
    await site.guest.write(volume.volumeId, index * MIB, page);
    done.push(index);
  });
  // The others have been waiting for their turn since then.
  await eventually('two had theirs', () => done.length >= 2);
  await site.card.close();
  const { qmp } = site.daemonIn(site.cardOptions.runDirectory, volume.volumeId);
  await qmp.execute('transaction', { actions: [] }, nothing);
  const file = await open(site.legFile(leg.legId));
  for (const [index, page] of pages.entries()) {
    const { buffer } = await file.read(Buffer.alloc(page.length), 0, page.length, index * MIB);
    expect(buffer.equals(page)).toBe(true);
  }
  await file.close();
  await qmp.close();
  await Promise.all(writing);
});
