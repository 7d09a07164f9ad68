import { ApiClient } from '../api/client.js';
import type { Say, Cluster } from '../cluster/cluster.js';
import { BlockLedger } from '../load/block-ledger.js';
import { changeUnderLoad } from '../load/change-under-load.js';
import type { ChangeUnderLoad, LoadSetting, Planted } from '../load/change-under-load.js';
import { fillVolume } from '../load/fio.js';
import type { LoadTarget } from '../load/target.js';
import type { DemoChange, DemoClient } from './changes.js';
import { demoVolume, protocolOf } from './changes.js';
import { attach } from './client.js';
import { completed, makeChange } from './make-change.js';

export interface ChangesToRun extends Pick<LoadSetting, 'warmUpMs' | 'baselineMs'> {
  readonly cluster: Cluster;
  readonly client: DemoClient;
  /** Of the volume; undefined: the demo's. */
  readonly sizeBytes?: number;
  /** In this order: each stands on what the one before left. */
  readonly changes: readonly DemoChange[];
  /** For logs and images. */
  readonly folder: string;
  /** Put in at the first change. */
  readonly planted: Planted | null;
  readonly say: Say;
  /** How long each change took when it was tried, by its name. */
  readonly expectedMs?: ReadonlyMap<string, number>;
}

/** Makes a volume, attaches a client to it, makes the changes beneath its verified load one by one, and deletes it. */
export async function runChanges(of: ChangesToRun): Promise<ChangeUnderLoad[]> {
  const { cluster, client, sizeBytes = demoVolume.sizeBytes, folder, say } = of;
  const api = new ApiClient(cluster.address);
  say(`creating a volume of ${sizeBytes / 1024 ** 2} MiB on the own pool of card-1`);
  const created = await api.createVolume({ ...demoVolume, sizeBytes, protocol: protocolOf(client) });
  await completed(api, created.change);
  const { volumeId } = created.volume;
  if (client === 'guest') say('booting a virtual machine with the volume as its disk');
  const attached = await attach(client, await api.volume(volumeId), folder);
  let rows: ChangeUnderLoad[];
  try {
    rows = await eachChange(of, volumeId, attached.target);
  } finally {
    await attached.stop();
  }
  say('deleting the volume');
  await completed(api, (await api.deleteVolume(volumeId)).change);
  return rows;
}

async function eachChange(of: ChangesToRun, volumeId: string, target: LoadTarget): Promise<ChangeUnderLoad[]> {
  const { cluster, changes, warmUpMs, baselineMs, expectedMs, planted, say } = of;
  const api = new ApiClient(cluster.address);
  const ledger = new BlockLedger(target.sizeBytes);
  say('filling it with blocks that tell which write they are');
  await fillVolume(target, ledger);
  const rows: ChangeUnderLoad[] = [];
  for (const change of changes) {
    await change.prepare?.({ cluster, api, volumeId }, target, ledger);
    say(`under verified I/O: ${change.name}`);
    const fault = planted !== null && rows.length === 0 ? { planted } : {};
    const setting = { target, ledger, warmUpMs, baselineMs, expectedMs: expectedMs?.get(change.name) ?? 0, ...fault };
    rows.push(await changeUnderLoad(change.name, setting, () => makeChange(change, volumeId, cluster)));
    const { sizeBytes } = await api.volume(volumeId);
    if (target.sizeBytes !== sizeBytes)
      throw new Error(`after "${change.name}" the client sees ${target.sizeBytes} bytes, the volume has ${sizeBytes}`);
  }
  return rows;
}
