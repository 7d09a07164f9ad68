import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../cluster/cluster.js';
import { workspaceFolder } from '../cluster/folders.js';
import { benches } from './benches.js';
import type { Measurement } from './measurement.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const help = `npm run bench -- [--only NAME [--part TEXT]] [--json FILE]\n\n  --only NAME  one of: ${Object.keys(benches).join(', ')}\n  --part TEXT  of those called felt-…, only changes whose name holds TEXT, each on what the one before left\n  --json FILE  the figures as JSON too`;

/** So that what is felt of compression can be measured; where this machine lets us mount nothing, it is left out. */
const compressing = { poolIds: ['pool-5'], isRequired: false };

async function run(names: readonly string[], part: string): Promise<Measurement[]> {
  const folder = join(workspaceFolder, '.flexbso', 'bench');
  const cluster = await Cluster.startFresh({ folder, compressing, say });
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

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    part: { type: 'string', default: '' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help === true) {
  say(help);
} else if (values.only !== undefined && benches[values.only] === undefined) {
  process.stderr.write(`--only ${values.only}: there is no such benchmark\n\n${help}\n`);
  process.exitCode = 2;
} else {
  const measurements = await run(values.only === undefined ? Object.keys(benches) : [values.only], values.part);
  for (const one of measurements) say(line(one));
  if (values.json !== undefined)
    await writeFile(resolve(process.env['INIT_CWD'] ?? '.', values.json), `${JSON.stringify(measurements, null, 2)}\n`);
  process.exitCode = measurements.every((one) => one.holds) ? 0 : 1;
}
