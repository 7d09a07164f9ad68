import { join } from 'node:path';
import type { CardStep, DesiredCardLeg, Layer } from '@flexbso/contracts';
import { expect, onTestFinished, test, vi } from 'vitest';
import { QsdCardDataPlane } from '../card/qsd-card-data-plane.js';
import { NbdClient } from '../nbd/nbd-client.js';
import { desiredLeg, type QsdSite, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const mirror: Layer = { kind: 'raid1', legCount: 3, safeRead: false };
const legIds = ['leg-000000000a', 'leg-000000000b', 'leg-000000000c'];
const BLOCK_BYTES = 4096;
/** Few, so that each is written again and again while the legs are fenced. */
const BLOCKS = 16;
const WAITS_FOR_ACKNOWLEDGEMENTS_MS = 20_000;

const creation = (legs: readonly DesiredCardLeg[]): CardStep[] => [
  { kind: 'start-data-plane' },
  ...legs.map(({ legId, epoch }): CardStep => ({ kind: 'open-leg', stackGeneration: 1, legId, epoch, sizeBytes })),
  { kind: 'build-redundancy', stackGeneration: 1, layer: mirror, legIds },
  { kind: 'build-head', stackGeneration: 1, sizeBytes, qos: null },
  { kind: 'export-volume', protocol: 'nbd', functionId: 'fn-1' },
];

/** A guest that writes each block with ever higher numbers, one write of a block at a time, until it is told an error. */
class Guest {
  readonly acknowledged = new Map<number, number>();
  readonly issued = new Map<number, number>();
  acknowledgedCount = 0;
  #next = 1;

  async start(site: QsdSite, volumeId: string): Promise<void> {
    for (let block = 0; block < BLOCKS; block += 1)
      void this.#write(await NbdClient.open(site.nbdSocket(volumeId), volumeId), block);
  }

  /** The block's number may be the last that was acknowledged, or one after it whose outcome is unknown. */
  allows(block: number, number: number): boolean {
    return number === (this.acknowledged.get(block) ?? 0) || number === this.issued.get(block);
  }

  goesOn(): Promise<boolean> {
    const soFar = this.acknowledgedCount;
    return vi.waitUntil(() => this.acknowledgedCount > soFar + 200, { timeout: WAITS_FOR_ACKNOWLEDGEMENTS_MS });
  }

  async #write(client: NbdClient, block: number): Promise<void> {
    try {
      for (;;) {
        const number = this.#next++;
        this.issued.set(block, number);
        await client.write(block * BLOCK_BYTES, blockOf(number));
        this.acknowledged.set(block, number);
        this.acknowledgedCount += 1;
      }
    } catch {
      // The leg is fenced, or the test is over: either way the guest's last write stays without an answer.
      client.close();
    }
  }
}

function blockOf(number: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(number);
  return Buffer.alloc(BLOCK_BYTES, word);
}

/** What a pool does for one leg, from the fence to serving the other card. */
async function fence({ networkPool }: QsdSite, legId: string): Promise<void> {
  const context = { desired: desiredLeg(legId, sizeBytes), signal: new AbortController().signal };
  await networkPool.perform({ kind: 'fence-leg', legId, fromEpoch: 1, epoch: 2 }, context);
  await networkPool.perform({ kind: 'serve-leg', legId, epoch: 2, holderCardId: 'card-2' }, context);
}

/** The same stack on another card; what it reads of each block, or null where that is an error. */
async function readByOther(site: QsdSite, volume: TestVolume): Promise<(number | null)[]> {
  const runDirectory = join(site.directory, 'other-card');
  const other = new QsdCardDataPlane({ ...site.cardOptions, runDirectory });
  const { volumeId } = volume;
  const legs: DesiredCardLeg[] = [];
  for (const legId of legIds) {
    const served = await site.networkPool.served(legId);
    if (!served) throw new Error(`${legId} is not served`);
    legs.push({ legId, poolId: 'pool-net', epoch: 2, sizeBytes, address: served.address, access: null });
  }
  volume.legs.splice(0, volume.legs.length, ...legs);
  onTestFinished(async () => {
    await other.perform(volumeId, { kind: 'stop-data-plane', evenIfAttached: true }, volume.context());
    await other.close();
  });
  for (const step of creation(legs)) await other.perform(volumeId, step, volume.context());
  const client = await NbdClient.open(join(runDirectory, volumeId, 'nbd.sock'), volumeId);
  const numbers: (number | null)[] = [];
  for (let block = 0; block < BLOCKS; block += 1) {
    const [content] = await Promise.allSettled([client.read(block * BLOCK_BYTES, BLOCK_BYTES)]);
    numbers.push(content.status === 'fulfilled' ? content.value.readUInt32BE(0) : null);
  }
  client.close();
  return numbers;
}

async function mirrored(card: { reconnectDelaySeconds?: number }) {
  const site = await makeSite(setupQemu(), { card });
  const volume = new TestVolume(site, sizeBytes);
  for (const legId of legIds) await volume.addLeg('network', legId);
  await volume.perform(...creation(volume.legs));
  const guest = new Guest();
  await guest.start(site, volume.volumeId);
  await guest.goesOn();
  return { site, volume, guest };
}

test('a mirror whose legs are fenced one after the other under a writing guest is read whole by the next card', async () => {
  const { site, volume, guest } = await mirrored({});
  for (const legId of legIds) await fence(site, legId);
  const { acknowledgedCount } = guest;
  const numbers = await readByOther(site, volume);
  expect(numbers.filter((number, block) => number === null || !guest.allows(block, number))).toEqual([]);
  expect(guest.acknowledgedCount).toBe(acknowledgedCount);
});

test('a mirror whose last legs are fenced long after the first shows nothing old: what it cannot tell is an error', async () => {
  const { site, volume, guest } = await mirrored({ reconnectDelaySeconds: 1 });
  const [first = '', ...rest] = legIds;
  await fence(site, first);
  // The two that are left outvote the one that is fenced, and the guest is served again.
  await guest.goesOn();
  for (const legId of rest) await fence(site, legId);
  const numbers = await readByOther(site, volume);
  expect(numbers.filter((number, block) => number !== null && !guest.allows(block, number))).toEqual([]);
});
