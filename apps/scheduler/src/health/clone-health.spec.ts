import type { LegFault } from '@flexbso/contracts';
import { beforeEach, expect, it } from 'vitest';
import { aSpec, operator } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

const TEN_MINUTES_MS = 600_000;
const stack = { layers: [{ kind: 'raid1' as const, legCount: 3, safeRead: false }] };
const fromSnapshot = { volume: 'vol-a', snapshot: 'monday' };
let cell: MemoryCell;
let baseLegIds: string[];

beforeEach(async () => {
  cell = await MemoryCell.start();
  await cell.create({ stack });
  const source = await cell.volumeNow();
  baseLegIds = source.legs.map(({ legId }) => legId);
  const asking = { v: 1 as const, caller: operator };
  const { generation: basedOnGeneration } = source;
  const asked = { ...asking, volume: 'vol-a', basedOnGeneration, idempotencyKey: 'snapshot' };
  await cell.scheduler.volumes.createSnapshot({ ...asked, spec: { name: 'monday' } });
  await cell.settle();
  await cell.scheduler.volumes.create({
    ...asking,
    idempotencyKey: 'clone',
    spec: aSpec({ name: 'copy', fromSnapshot }),
  });
  await cell.settle();
});

async function baseLegDiffers(over: Partial<LegFault> = {}): Promise<void> {
  const clone = await cell.volumeNow('copy');
  const card = cell.cardOf(clone);
  const latest = card.reports.filter(({ volumeId }) => volumeId === clone.volumeId).at(-1);
  const [, legId] = baseLegIds;
  if (!latest || legId === undefined) throw new Error('the card said nothing of the clone');
  const place = { legId, kind: 'differs' as const, offsetBytes: 4096, lengthBytes: 512, findings: 1 };
  const at = { firstAtMs: cell.nowMs, lastAtMs: cell.nowMs, repaired: false };
  await card.say({ ...latest, legFaults: [{ ...place, ...at, ...over }] });
}

it("a clone tells of a bad leg of its snapshot's, by whose leg it is, and is degraded; its snapshot's volume is not", async () => {
  const [source, clone] = [await cell.volumeNow(), await cell.volumeNow('copy')];
  cell.store.takeEvents();
  await baseLegDiffers();
  expect(cell.store.takeEvents()).toMatchObject([
    {
      kind: 'volume',
      id: clone.volumeId,
      what: 'leg-bad',
      data: { legId: baseLegIds[1], ofVolumeId: source.volumeId, offsetBytes: 4096, lengthBytes: 512 },
    },
    { kind: 'volume', id: clone.volumeId, what: 'degraded', data: { legIds: [baseLegIds[1]] } },
  ]);
  expect((await cell.volumeNow('copy')).degraded).toEqual({ sinceMs: cell.nowMs, legIds: [baseLegIds[1]] });
  expect((await cell.volumeNow()).degraded).toBeNull();
});

it('a clone is copied whole by itself after the set time, away from the bad leg, and keeps nothing of it', async () => {
  await baseLegDiffers();
  cell.nowMs += TEN_MINUTES_MS;
  await cell.scheduler.health.look();
  await cell.settle();
  const healed = await cell.volumeNow('copy');
  expect(healed).toMatchObject({ state: 'ready', standsOn: null, degraded: null, stack });
  await baseLegDiffers({ findings: 2, lastAtMs: cell.nowMs });
  expect((await cell.volumeNow('copy')).legFaults).toEqual([]);
});
