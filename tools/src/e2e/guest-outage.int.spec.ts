import { join } from 'node:path';
import { type Change, changeSchema } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { GuestTarget } from '../guest/guest-target.js';
import { startGuest } from '../guest/start-guest.js';
import { BlockLedger } from '../load/block-ledger.js';
import { RunningLoad, fillVolume, readWholeVolume } from '../load/fio.js';
import { checkWholeVolume } from '../load/volume-image.js';
import { DEADLINE_MS, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
const tools = installedTools();

async function outagesOf(volumeId: string): Promise<Change[]> {
  const { items } = await system.api.get(
    `/v1/changes?volumeId=${volumeId}`,
    z.object({ items: z.array(changeSchema) }),
  );
  return items.filter(({ kind }) => kind === 'heal');
}

// No guest is known for another architecture.
describe.runIf(tools.guest !== null)('a guest whose volume lost its data plane', { timeout: 240_000 }, () => {
  beforeAll(() => system.start(), START_OR_END_MS);
  afterAll(() => system.end(), START_OR_END_MS);

  it('is told to reset its device, finds every byte when it did, and goes on', async () => {
    if (tools.guest === null) return;
    const placement = { cardId: 'card-1', poolIds: ['pool-4'] };
    const volume = await system.create('guest-outage', { protocol: 'virtio-blk', placement });
    const vhostSocket = String(volume.uri).replace(/^vhost-user:/, '');
    const folder = join(system.cluster.folders.run, 'guest');
    const guest = await startGuest({ tools: tools.guest, fioPath: tools.fio, vhostSocket, folder });
    try {
      const target = await GuestTarget.of(guest);
      const ledger = new BlockLedger(volume.sizeBytes);
      await fillVolume(target, ledger);
      await killProcesses(dataPlanesIn(join(system.cluster.folders.run, 'card-1')));
      await until('the outage is recorded', DEADLINE_MS, async () => (await outagesOf(volume.volumeId)).length === 1);
      expect(await outagesOf(volume.volumeId)).toMatchObject([
        { state: 'settled', outage: { fromIsExact: true, guestMustReset: true } },
      ]);
      await guest.resetVolume();
      expect(await readWholeVolume(target)).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
      const load = await RunningLoad.start(target);
      await system.move(volume, 'pool-5');
      expect(await load.stop(ledger)).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
      expect(await checkWholeVolume(target, ledger)).toEqual([]);
    } finally {
      await guest.stop();
    }
    await system.remove(volume);
  });
});
