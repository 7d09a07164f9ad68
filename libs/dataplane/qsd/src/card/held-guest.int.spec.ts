import { eventually } from '@flexbso/testkit';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { qsdCardConfigSchema } from '../config.js';
import { readGraph } from '../graph/graph.js';
import { whileHeld } from '../steps/held-guest.js';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const WRITERS = 8;

test('while a guest is held not one of its requests is done, and afterwards all of them are', async () => {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, 16 * MIB);
  await volume.perform(...volume.create(await volume.addLeg('host', 'leg-000000000a')));
  await site.card.close();
  const daemon = site.daemonIn(site.cardOptions.runDirectory, volume.volumeId);
  const scene = {
    volumeId: volume.volumeId,
    daemon,
    config: qsdCardConfigSchema.parse(site.cardOptions),
    context: volume.context(),
  };
  const guest = { done: 0, isOver: false };
  const writing = Array.from({ length: WRITERS }, (_, writer) =>
    site.withGuest(volume.volumeId, async (client) => {
      while (!guest.isOver) {
        await client.write(writer * MIB, Buffer.alloc(4096, guest.done + 1));
        guest.done++;
      }
    }),
  );
  await eventually('they write', () => guest.done > 100);
  for (let times = 0; times < 3; times++) {
    await whileHeld(scene, await readGraph(daemon.qmp), async () => {
      // What was done is being answered yet.
      await sleep(100);
      const before = guest.done;
      await sleep(300);
      expect(guest.done).toBe(before);
    });
    const held = guest.done;
    await eventually('they go on', () => guest.done > held + 100);
  }
  guest.isOver = true;
  await Promise.all(writing);
  expect((await readGraph(daemon.qmp)).objects).not.toContain('held');
  await daemon.qmp.close();
});
