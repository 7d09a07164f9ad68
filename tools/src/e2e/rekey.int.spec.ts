import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { refusalOf } from './testing/refusal.js';
import { subjectsOn } from './testing/subjects.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { holds } = subjectsOn(system);

/** Where LUKS keeps its key material; another key has other bytes there. */
const HEADER_BYTES = MiB;

async function headerOnPool(poolId: string): Promise<Buffer> {
  const folder = join(system.cluster.folders.pools, poolId);
  const [file] = (await readdir(folder)).filter((name) => name.endsWith('.raw'));
  return (await readFile(join(folder, String(file)))).subarray(0, HEADER_BYTES);
}

describe('an encrypted volume under verified I/O', { timeout: 180_000 }, () => {
  it('is encrypted anew with another key, loses no byte, and keeps nothing of the old stack', async () => {
    const stack = { layers: [{ kind: 'encryption' }] };
    const volume = await system.create('secret', { stack });
    const ledger = new BlockLedger(volume.sizeBytes);
    await fillVolume(system.targetOf(volume), ledger);
    const header = await headerOnPool('pool-1');
    const result = await system.underLoad(volume, ledger, async () => {
      const { status, stderr } = await system.flexbso('change', 'volume', 'secret', '--rekey', '--wait');
      expect([status, stderr]).toEqual([0, expect.anything()]);
    });
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    await holds({ volume, ledger }, 'pool-1');
    const now = await system.api.volume(volume.volumeId);
    expect(now.keyRef).toMatch(/^key-/);
    expect(now.keyRef).not.toBe(volume.keyRef);
    expect((await headerOnPool('pool-1')).equals(header)).toBe(false);
    await system.remove(now);
  });

  it('is re-keyed once by a request that is repeated, and not at all without a key', async () => {
    const { volumeId, keyRef } = await system.create('again', { stack: { layers: [{ kind: 'encryption' }] } });
    const rekey = { from: String(keyRef) };
    await system.settled((await system.api.changeVolume(volumeId, { rekey })).change);
    const once = await system.api.volume(volumeId);
    const repeated = await system.settled((await system.api.changeVolume(volumeId, { rekey })).change);
    expect(repeated).toMatchObject({ differences: [], steps: [] });
    expect(await system.api.volume(volumeId)).toMatchObject({ keyRef: once.keyRef, generation: 2 });
    await system.remove(once);
    const plain = await system.create('plain');
    const refusal = await refusalOf(system.api.changeVolume(plain.volumeId, { rekey }));
    expect(refusal.code).toBe('change-refused');
    await system.remove(plain);
  });
});
