import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { volumeSchema } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { isPortTaken } from '../cluster/ports.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { processesShowing } from './search.js';
import { DEADLINE_MS, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

describe('a whole system', { timeout: 120_000 }, () => {
  it('is driven by the command too, which says by its exit status how it went', async () => {
    const creation = ['create', 'volume', 'typed', '--size', '64MiB', '--protocol', 'nbd', '--pool', 'pool-4'];
    expect((await system.flexbso(...creation, '--wait')).status).toBe(0);
    const plan = await system.flexbso('plan', 'volume', 'typed', '--encryption', 'on');
    expect(plan.status).toBe(0);
    expect(plan.stdout).toContain('cut-over');
    expect((await system.flexbso('change', 'volume', 'typed', '--encryption', 'on', '--wait')).status).toBe(0);
    const got = await system.flexbso('get', 'volumes', 'typed', '-o', 'json');
    expect(volumeSchema.parse(JSON.parse(got.stdout)).stack.layers).toMatchObject([{ kind: 'encryption' }]);
    expect((await system.flexbso('describe', 'volume', 'typed')).stdout).toContain('pool-4');
    expect((await system.flexbso('create', 'volume', 'typed', '--size', '64MB')).status).toBe(2);
    expect((await system.flexbso('describe', 'volume', 'nobody')).status).toBe(1);
    const check = await system.flexbso('check');
    expect(check).toMatchObject({ status: 0, stdout: expect.stringContaining(': 0 differences') });
    expect((await system.flexbso('delete', 'volume', 'typed', '--wait')).status).toBe(0);
  });

  it('comes back from a stop with every volume and every byte, and ends without a trace', async () => {
    const { folders, address } = system.cluster;
    const volume = await system.create('kept', {
      stack: { layers: [{ kind: 'encryption' }] },
      placement: { cardId: 'card-1', poolIds: ['pool-5'] },
    });
    const ledger = new BlockLedger(volume.sizeBytes);
    await fillVolume(system.targetOf(volume), ledger);
    await system.cluster.stop();
    expect(dataPlanesIn(folders.run)).toEqual([]);
    expect(existsSync(folders.run)).toBe(false);
    expect(await isPortTaken(Number(new URL(address.server).port))).toBe(false);
    await system.startAgain();
    await until('the volume is served again', DEADLINE_MS, () => system.isServed(volume));
    expect(await system.api.volume(volume.volumeId)).toMatchObject({ state: 'ready', generation: volume.generation });
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    await system.remove(volume);
    const own = [folders.root, folders.run];
    const ownPaths = own.map((folder) => Buffer.from(folder));
    // The search does find: whatever runs was started with a path in one of the two.
    expect(await processesShowing(ownPaths)).not.toEqual([]);
    await system.end();
    expect(await processesShowing(ownPaths)).toEqual([]);
    const names = [...(await readdir(tmpdir())), ...(await readdir('/run'))];
    expect(names.filter((name) => own.some((folder) => name.startsWith(basename(folder))))).toEqual([]);
  });
});
