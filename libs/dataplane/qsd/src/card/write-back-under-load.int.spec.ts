import type { CardStep } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { setupQemu, type QsdSite } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 8 * 1024 * MIB;
const PAGE_BYTES = 4096;
/** What one page of an overlay's tables tells of: listing what it holds reads each of them. */
const TABLE_PAGE_BYTES = 32 * MIB;
/** A volume is shown to 16 clients at most, of which its agent is one. */
const WRITERS = 12;

const back = { fromStackGeneration: 2, toStackGeneration: 1 };
const writeBack: CardStep = { kind: 'copy', ...back, bytes: sizeBytes, copyBytesPerSecond: 256 * MIB, commits: true };
const buildOverlay: CardStep = { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 };

/** A guest with 12 requests in flight, which knows what it wrote last where. */
class Writers {
  readonly written = new Map<number, number>();
  #isOver = false;
  #all: Promise<void[]> = Promise.resolve([]);

  start(site: QsdSite, volumeId: string): void {
    this.#all = Promise.all(Array.from({ length: WRITERS }, (_, writer) => this.#write(site, volumeId, writer)));
  }

  async #write(site: QsdSite, volumeId: string, writer: number): Promise<void> {
    await site.withGuest(volumeId, async (client) => {
      for (let count = 0; !this.#isOver; count++) {
        // Each has pages of its own, so that what was written last is known.
        const page = Math.floor((Math.random() * sizeBytes) / PAGE_BYTES / WRITERS) * WRITERS + writer;
        const fill = (count % 255) + 1;
        await client.write(page * PAGE_BYTES, Buffer.alloc(PAGE_BYTES, fill));
        this.written.set(page, fill);
      }
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#all;
  }
}

test('an overlay is written back whole while its guest writes, from the first moment on', async () => {
  const site = await makeSite(setupQemu(), { poolCapacityBytes: 2 * sizeBytes });
  const volume = new TestVolume(site, sizeBytes);
  const legBytes = overlayBytes(sizeBytes, (await site.card.discover()).capabilities);
  const base = await volume.addLeg('host', 'leg-000000000a');
  const overlay = await volume.addLeg('network', 'leg-000000000b', false, legBytes);
  const [openOverlay] = volume.build(2, overlay);
  const [start, openBase, , exported] = volume.create(base);
  if (!openOverlay || !start || !openBase || !exported) throw new Error('a volume has its steps');
  await volume.perform(
    ...volume.create(base),
    openOverlay,
    { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds: [overlay.legId] },
    buildOverlay,
    { kind: 'cut-over', fromStackGeneration: 1, toStackGeneration: 2, onto: 'overlay' },
  );
  await site.withGuest(volume.volumeId, async (client) => {
    for (let offset = 0; offset < sizeBytes; offset += TABLE_PAGE_BYTES)
      await client.write(offset, Buffer.alloc(PAGE_BYTES, 1));
    await client.flush();
  });
  // A daemon that has just begun has none of the tables in memory: listing them takes its time.
  await site.killVolume(volume.volumeId);
  const head: CardStep = { kind: 'build-head', stackGeneration: 2, sizeBytes, qos: null };
  await volume.perform(start, openBase, openOverlay, buildOverlay, head, exported);
  const writers = new Writers();
  writers.start(site, volume.volumeId);
  await volume.perform(writeBack);
  await writers.end();
  expect((await volume.observe()).copy?.state).toBe('ready');
  expect(writers.written.size).toBeGreaterThan(200);
  const file = await open(site.legFile(base.legId));
  const missing: number[] = [];
  for (const [page, fill] of writers.written) {
    const { buffer } = await file.read(Buffer.alloc(PAGE_BYTES), 0, PAGE_BYTES, page * PAGE_BYTES);
    if (!buffer.equals(Buffer.alloc(PAGE_BYTES, fill))) missing.push(page);
  }
  await file.close();
  expect(missing).toEqual([]);
});
