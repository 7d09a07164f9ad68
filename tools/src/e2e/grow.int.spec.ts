import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusalOf } from './testing/refusal.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

const run = promisify(execFile);
const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const remote = { cardId: 'card-1', poolIds: ['pool-4'] };
const written = Buffer.alloc(MiB, 'written before it grew ');

/** The file of a volume's only leg: no guest is attached that could write and read. */
async function openLegFile({ legs }: Volume) {
  const { stdout } = await run('find', [system.cluster.folders.pools, '-name', `${legs[0]?.legId}.raw`]);
  return open(stdout.trim(), 'r+');
}

async function writeBehind(volume: Volume): Promise<void> {
  const file = await openLegFile(volume);
  await file.write(written, 0, MiB, 3 * MiB);
  await file.sync();
  await file.close();
}

async function readBehind(volume: Volume): Promise<{ isKept: boolean; sizeBytes: number }> {
  const file = await openLegFile(volume);
  const { buffer } = await file.read(Buffer.alloc(MiB), 0, MiB, 3 * MiB);
  const { size } = await file.stat();
  await file.close();
  return { isKept: buffer.equals(written), sizeBytes: size };
}

describe('a whole system grows a volume on a leg over the network', { timeout: 120_000 }, () => {
  it('by one change onto a larger leg, and again together with encryption and another pool', async () => {
    const volume = await system.create('grown', { protocol: 'virtio-blk', placement: remote });
    await writeBehind(volume);
    const dryRun = await system.flexbso('plan', 'change', 'volume', 'grown', '--size', '128MiB');
    expect(dryRun.stdout).toContain('its device becomes larger');
    const { change } = await system.api.changeVolume(volume.volumeId, { sizeBytes: 128 * MiB });
    const settled = await system.settled(change);
    expect(settled.steps.map((step) => [step.kind, step.outcome])).toEqual(
      change.plan.steps.map(({ step }) => [step.kind, 'done']),
    );
    const grown = await system.api.volume(volume.volumeId);
    expect(grown).toMatchObject({ sizeBytes: 128 * MiB, state: 'ready', settledGeneration: 2 });
    expect(grown.legs).toMatchObject([{ poolId: 'pool-4', sizeBytes: 128 * MiB }]);
    expect(await readBehind(grown)).toEqual({ isKept: true, sizeBytes: 128 * MiB });
    const all = await system.api.changeVolume(volume.volumeId, {
      sizeBytes: 192 * MiB,
      stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] },
      placement: { poolIds: ['pool-5'] },
    });
    expect((await system.settled(all.change)).steps.every((step) => step.outcome === 'done')).toBe(true);
    const moved = await system.api.volume(volume.volumeId);
    expect(moved).toMatchObject({ sizeBytes: 192 * MiB, state: 'ready', settledGeneration: 3 });
    expect(moved.legs.map((leg) => leg.poolId)).toEqual(['pool-5']);
    await system.remove(moved);
  });

  it('and refuses one over NBD, whose client could not be told, with that reason and nothing changed', async () => {
    const volume = await system.create('fixed', { placement: remote });
    const refused = await refusalOf(system.api.changeVolume(volume.volumeId, { sizeBytes: 128 * MiB }));
    expect(refused).toMatchObject({ status: 422, code: 'missing-capability' });
    expect(refused.detail).toContain('over virtio-blk only');
    expect(await system.api.volume(volume.volumeId)).toEqual(volume);
    await system.remove(volume);
  });
});
