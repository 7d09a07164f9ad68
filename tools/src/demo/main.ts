import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ApiClient } from '../api/client.js';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { BlockLedger } from '../load/block-ledger.js';
import { changeUnderLoad } from '../load/change-under-load.js';
import type { ChangeUnderLoad, LoadSetting } from '../load/change-under-load.js';
import { fillVolume } from '../load/fio.js';
import type { LoadTarget } from '../load/target.js';
import { changesFor, demoVolume, protocolOf } from './changes.js';
import { attach, requireClient } from './client.js';
import { completed, makeChange } from './make-change.js';
import { UsageError, demoHelp, parseDemoOptions } from './options.js';
import type { DemoOptions } from './options.js';
import { allHeld, tableOf } from './table.js';

const WARM_UP_MS = 2_000;
const BASELINE_MS = 4_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function runDemo(options: DemoOptions): Promise<boolean> {
  requireClient(options.client);
  const folder = join(workspaceFolder, '.flexbso', 'demo');
  const cluster = await Cluster.startFresh({ folder, database: options.database, say });
  const interrupted = () => void cluster.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const rows = await changesUnderLoad(cluster, folder, options);
    const ok = allHeld(rows);
    say(`\n${tableOf(rows)}\n`);
    if (options.jsonFile !== null)
      await writeFile(
        resolve(process.env['INIT_CWD'] ?? '.', options.jsonFile),
        `${JSON.stringify({ ok, changes: rows }, null, 2)}\n`,
      );
    say(
      ok
        ? 'No I/O failed, none took more than a second, and no byte was wrong.'
        : 'NOT all held: see the counts above.',
    );
    return ok;
  } finally {
    say('stopping everything');
    await cluster.stop();
    if (!options.keep) await cluster.removeFiles();
  }
}

async function changesUnderLoad(cluster: Cluster, folder: string, options: DemoOptions): Promise<ChangeUnderLoad[]> {
  const api = new ApiClient(cluster.address);
  say('creating a volume of 256 MiB on the own pool of card-1');
  const created = await api.createVolume({ ...demoVolume, protocol: protocolOf(options.client) });
  await completed(api, created.change);
  const { volumeId } = created.volume;
  if (options.client === 'guest') say('booting a virtual machine with the volume as its disk');
  const attached = await attach(options.client, await api.volume(volumeId), folder);
  let rows: ChangeUnderLoad[];
  try {
    rows = await eachChange({ cluster, api, volumeId, target: attached.target, options });
  } finally {
    await attached.stop();
  }
  say('deleting the volume');
  await completed(api, (await api.deleteVolume(volumeId)).change);
  return rows;
}

async function eachChange(of: {
  cluster: Cluster;
  api: ApiClient;
  volumeId: string;
  target: LoadTarget;
  options: DemoOptions;
}): Promise<ChangeUnderLoad[]> {
  const { cluster, api, volumeId, target, options } = of;
  const ledger = new BlockLedger(target.sizeBytes);
  say('filling it with blocks that tell which write they are');
  await fillVolume(target, ledger);
  const setting: LoadSetting = { target, ledger, warmUpMs: WARM_UP_MS, baselineMs: BASELINE_MS };
  const rows: ChangeUnderLoad[] = [];
  const wanted = changesFor(options.client).filter(({ name }) => options.only === null || name.includes(options.only));
  for (const change of wanted) {
    say(`under verified I/O: ${change.name}`);
    const planted = options.planted !== null && rows.length === 0 ? { planted: options.planted } : {};
    rows.push(
      await changeUnderLoad(change.name, { ...setting, ...planted }, () => makeChange(change, volumeId, cluster)),
    );
    const { sizeBytes } = await api.volume(volumeId);
    if (target.sizeBytes !== sizeBytes)
      throw new Error(`after "${change.name}" the client sees ${target.sizeBytes} bytes, the volume has ${sizeBytes}`);
  }
  return rows;
}

try {
  const options = parseDemoOptions(process.argv.slice(2));
  if (options === null) say(demoHelp);
  else process.exitCode = (await runDemo(options)) ? 0 : 1;
} catch (error) {
  process.stderr.write(
    error instanceof UsageError
      ? `${error.message}\n\n${demoHelp}\n`
      : `the demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
