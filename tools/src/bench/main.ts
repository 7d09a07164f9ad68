import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { benches } from './benches.js';
import type { Measurement } from './measurement.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const help = `npm run bench -- [--only NAME] [--json FILE]\n\n  --only NAME  one of: ${Object.keys(benches).join(', ')}\n  --json FILE  the figures as JSON too`;

async function run(names: readonly string[]): Promise<Measurement[]> {
  const folder = join(workspaceFolder, '.flexbso', 'bench');
  const cluster = await Cluster.startFresh({ folder, say });
  const measurements: Measurement[] = [];
  try {
    for (const name of names) {
      say(name);
      measurements.push(...((await benches[name]?.({ cluster, folder: join(folder, 'work'), say })) ?? []));
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

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help === true) {
  say(help);
} else if (values.only !== undefined && benches[values.only] === undefined) {
  process.stderr.write(`--only ${values.only}: there is no such benchmark\n\n${help}\n`);
  process.exitCode = 2;
} else {
  const measurements = await run(values.only === undefined ? Object.keys(benches) : [values.only]);
  for (const one of measurements) say(line(one));
  if (values.json !== undefined)
    await writeFile(resolve(process.env['INIT_CWD'] ?? '.', values.json), `${JSON.stringify(measurements, null, 2)}\n`);
  process.exitCode = measurements.every((one) => one.holds) ? 0 : 1;
}
