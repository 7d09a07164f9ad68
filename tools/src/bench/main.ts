import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { benches } from './benches.js';
import type { Measurement } from './measurement.js';
import { parseBenchOptions, UsageError } from './options.js';
import type { BenchCommand } from './options.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const help = `npm run bench -- [--only NAME [--part TEXT]] [--json FILE]\n\n  --only NAME  one of: ${Object.keys(benches).join(', ')}\n  --part TEXT  of those called felt-…, only changes whose name holds TEXT, each on what the one before left\n  --json FILE  the figures as JSON too`;

/** What a leg that failed is waited for: what is felt of its replacement is measured, and not the waiting. */
const settings = { scheduler: { replaceLegAfterMs: 1_000 } };
/** So that what is felt of compression can be measured; where this machine lets us mount nothing, it is left out. */
const compressing = { poolIds: ['pool-5'], isRequired: false };

async function run(names: readonly string[], part: string): Promise<Measurement[]> {
  const folder = join(workspaceFolder, '.flexbso', 'bench');
  const cluster = await Cluster.startFresh({ folder, compressing, settings, say });
  const measurements: Measurement[] = [];
  try {
    for (const name of names) {
      say(name);
      measurements.push(...((await benches[name]?.({ cluster, folder: join(folder, 'work'), say, part })) ?? []));
    }
  } finally {
    await cluster.stop();
    await cluster.removeFiles();
  }
  return measurements;
}

const line = (one: Measurement): string => {
  const against =
    one.comparedWith === null ? '' : `, ${one.comparedWith.name}: ${one.comparedWith.value.toFixed(2)} ${one.unit}`;
  return `${one.holds ? 'holds ' : 'MISSES'}  ${one.name}: ${one.value.toFixed(2)} ${one.unit} (reach ${one.reach}${against})`;
};

async function runBench({ names, part, jsonFile }: BenchCommand): Promise<boolean> {
  const measurements = await run(names, part);
  for (const one of measurements) say(line(one));
  if (jsonFile !== null)
    await writeFile(resolve(process.env['INIT_CWD'] ?? '.', jsonFile), `${JSON.stringify(measurements, null, 2)}\n`);
  return measurements.length > 0 && measurements.every((one) => one.holds);
}

try {
  const command = parseBenchOptions(process.argv.slice(2), Object.keys(benches));
  if (command === null) say(help);
  else process.exitCode = (await runBench(command)) ? 0 : 1;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${help}\n`);
  process.exitCode = 2;
}
