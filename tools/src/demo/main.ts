import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { changesFor } from './changes.js';
import { requireClient } from './client.js';
import { UsageError, demoHelp, parseDemoOptions } from './options.js';
import type { DemoOptions } from './options.js';
import { runChanges } from './run-changes.js';
import { allHeld, tableOf } from './table.js';

/** Enough to show what is felt, not to measure it: that is for the benchmarks. */
const TIMINGS = { warmUpMs: 2_000, baselineMs: 4_000 };
const QUICK_TIMINGS = { warmUpMs: 2_000, baselineMs: 2_000 };

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function runDemo(options: DemoOptions): Promise<boolean> {
  requireClient(options.client);
  const folder = join(workspaceFolder, '.flexbso', 'demo');
  const cluster = await Cluster.startFresh({ folder, database: options.database, say });
  const interrupted = () => void cluster.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const changes = changesFor(options.client).filter(
      ({ name }) => options.only === null || name.includes(options.only),
    );
    const { client, planted, quick } = options;
    const timings = quick ? QUICK_TIMINGS : TIMINGS;
    const rows = await runChanges({ cluster, client, changes, folder, ...timings, planted, say });
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
