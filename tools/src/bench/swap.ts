import { join } from 'node:path';
import { installedTools } from '@flexbso/testkit';
import { ApiClient } from '../api/client.js';
import { freePorts } from '../cluster/ports.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { NbdTarget } from '../load/nbd-target.js';
import { type Bench, completed, createdVolume, uriOf } from './bench.js';
import { atMostTimes, median } from './measurement.js';
import { rawSwapSeconds } from './raw-swap.js';

const GiB = 1024 ** 3;
/** The default of the scheduler; the raw copy gets the same. */
const COPY_BYTES_PER_SECOND = 256 * 1024 ** 2;
const SWAP_REPEATS = 3;

/** DESIGN: a swap of 1 GiB takes at most 1.2 times as long as by raw calls. The two alternate, so that both meet the same noise. */
export const swapOfOneGibibyte: Bench = async ({ cluster, folder, say }) => {
  const api = new ApiClient(cluster.address);
  const tools = installedTools();
  const volume = await createdVolume(api, 'bench-swap', GiB);
  await fillVolume(
    new NbdTarget({
      fioPath: tools.fio,
      qemuImgPath: tools.qemuImg,
      uri: uriOf(volume),
      sizeBytes: GiB,
      folder: join(folder, 'load'),
    }),
    new BlockLedger(GiB),
  );
  const whole: number[] = [];
  const raw: number[] = [];
  const [port = 0] = await freePorts(1);
  for (let repeat = 0; repeat < SWAP_REPEATS; repeat += 1) {
    whole.push(await movedSeconds(api, volume.volumeId, 'pool-4'));
    await movedSeconds(api, volume.volumeId, 'pool-1');
    raw.push(
      await rawSwapSeconds({
        tools,
        folder: join(folder, 'raw'),
        sizeBytes: GiB,
        copyBytesPerSecond: COPY_BYTES_PER_SECOND,
        port,
      }),
    );
    say(`  whole system ${whole.at(-1)?.toFixed(2)} s, raw ${raw.at(-1)?.toFixed(2)} s`);
  }
  await completed(api, (await api.deleteVolume(volume.volumeId)).change);
  return [
    atMostTimes(
      'swap of 1 GiB, HTTP request to settled',
      median(whole),
      's',
      { name: 'the same by raw QMP calls', value: median(raw) },
      1.2,
    ),
  ];
};

async function movedSeconds(api: ApiClient, volumeId: string, poolId: string): Promise<number> {
  const start = performance.now();
  await completed(api, (await api.changeVolume(volumeId, { placement: { poolIds: [poolId] } })).change);
  return (performance.now() - start) / 1000;
}
