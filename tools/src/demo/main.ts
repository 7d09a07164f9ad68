import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Change } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { ApiClient } from '../api/client.js';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { BlockLedger } from '../load/block-ledger.js';
import { changeUnderLoad } from '../load/change-under-load.js';
import type { ChangeUnderLoad, LoadSetting } from '../load/change-under-load.js';
import { fillVolume } from '../load/fio.js';
import { demoChanges, demoVolume } from './changes.js';
import { UsageError, demoHelp, parseDemoOptions } from './options.js';
import type { DemoOptions } from './options.js';
import { allHeld, tableOf } from './table.js';

/** A change of 256 MiB takes seconds; a minute means that it hangs. */
const CHANGE_DEADLINE_MS = 60_000;
const WARM_UP_MS = 2_000;
const BASELINE_MS = 4_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function runDemo(options: DemoOptions): Promise<boolean> {
  const folder = join(workspaceFolder, '.flexbso', 'demo');
  const cluster = await Cluster.startFresh({ folder, say });
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
  const created = await api.createVolume(demoVolume);
  await completed(api, created.change);
  const volume = await api.volume(created.volume.volumeId);
  if (volume.uri === null) throw new Error(`volume ${volume.volumeId} is settled and has no address`);
  const tools = installedTools();
  const target = { fioPath: tools.fio, uri: volume.uri, sizeBytes: volume.sizeBytes, folder: join(folder, 'load') };
  const ledger = new BlockLedger(volume.sizeBytes);
  await fillVolume(target, ledger);
  const setting: LoadSetting = {
    target,
    qemuImgPath: tools.qemuImg,
    ledger,
    warmUpMs: WARM_UP_MS,
    baselineMs: BASELINE_MS,
  };
  const rows: ChangeUnderLoad[] = [];
  const wanted = demoChanges.filter(({ name }) => options.only === null || name.includes(options.only));
  for (const { name, patch } of wanted) {
    say(`under verified I/O: ${name}`);
    const planted = options.planted !== null && rows.length === 0 ? { planted: options.planted } : {};
    rows.push(
      await changeUnderLoad(name, { ...setting, ...planted }, async () =>
        completed(api, (await api.changeVolume(volume.volumeId, patch)).change),
      ),
    );
  }
  say('deleting the volume');
  await completed(api, (await api.deleteVolume(volume.volumeId)).change);
  return rows;
}

async function completed(api: ApiClient, change: Change): Promise<Change> {
  const ended = await api.ended(change.changeId, CHANGE_DEADLINE_MS);
  if (ended.state !== 'settled')
    throw new Error(`change ${ended.changeId} ended as ${ended.state}: ${ended.problem?.detail ?? 'without a reason'}`);
  return ended;
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
