import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { parseSoakOptions, soakHelp, UsageError } from './options.js';
import type { SoakCommand } from './options.js';
import { soak } from './soak.js';
import { allHeld } from './tally.js';

const INTERRUPTED = 130;
/** Storage targets whose legs every card reaches; without them where this machine lets us mount nothing. */
const compressing = { poolIds: ['pool-4', 'pool-5'], isRequired: false };

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function run({ database, jsonFile, keep, ...options }: SoakCommand, signal: AbortSignal): Promise<boolean> {
  say(`seed ${options.seed}`);
  const folder = join(workspaceFolder, '.flexbso', 'soak');
  const cluster = await Cluster.startFresh({ folder, database, compressing, say });
  try {
    signal.throwIfAborted();
    const result = await soak(cluster, options, say, signal);
    const text = `${JSON.stringify(result, null, 2)}\n`;
    if (jsonFile !== null) await writeFile(resolve(process.env['INIT_CWD'] ?? '.', jsonFile), text);
    say(text);
    const holds = allHeld(result);
    say(holds ? 'All held: nothing failed, was wrong, hung or leaked.' : 'NOT all held: see above.');
    return holds;
  } finally {
    say('stopping everything');
    await cluster.stop();
    if (!keep) await cluster.removeFiles();
  }
}

const interrupted = new AbortController();
// What was begun is ended first, so that nothing is left running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

try {
  const command = parseSoakOptions(process.argv.slice(2), () => randomInt(2 ** 32));
  if (command === null) say(soakHelp);
  else process.exitCode = (await run(command, interrupted.signal)) ? 0 : 1;
} catch (error) {
  // Clients of volumes that are gone would go on asking.
  if (interrupted.signal.aborted) process.exit(INTERRUPTED);
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${soakHelp}\n`);
    process.exitCode = 2;
  } else {
    process.stderr.write(
      `the soak failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}
