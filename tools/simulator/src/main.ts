import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rareCells } from './faults/cells.js';
import { plants } from './plants/plants.js';
import { simulate } from './run/simulation.js';

/** As many as are played before a release, and how often each pair of a step and a fault is to be met in them. */
const RELEASE_RUNS = 100_000;
const ENOUGH_HITS = 20;

const help = `npm run simulate -- [--schedules N] [--seed S] [--json FILE] [--trace] [--plant NAME]

Runs the scheduler, the bus and the agents of cards and pools in one process, under a virtual clock and a schedule of
faults that the seed decides, and checks after every event that nothing that must hold is broken.

  --schedules N  how many runs, by consecutive seeds (200)
  --seed S       the first seed (1); with one schedule this plays exactly that run again
  --trace        says what happens, a line each (one schedule only)
  --json FILE    what was found, as JSON too
  --plant NAME   puts a known defect into the code and runs until it is found: ${Object.keys(plants).join(', ')}

The exit status is 1 when anything was violated, or a run had less in it than a schedule is to have, or in ${RELEASE_RUNS}
runs a pair of a step and a fault was met fewer than ${ENOUGH_HITS} times (with --plant: when nothing was violated).`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
/** A line every so many runs, so that a long one is seen to go on. */
const TELL_EVERY = 500;

const options = {
  schedules: { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  json: { type: 'string' },
  trace: { type: 'boolean', default: false },
  plant: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** @throws RangeError when they are not understood */
function readOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw error instanceof TypeError ? new RangeError(error.message, { cause: error }) : error;
  }
}

const numberOf = (name: string, text: string): number => {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new RangeError(`--${name} ${text}: a whole number above 0`);
};

async function trace(seed: number): Promise<number> {
  const { Run } = await import('./run/run.js');
  const { violations, events } = await new Run(seed, say).play();
  for (const { invariant, what } of violations) say(`VIOLATED  ${invariant}: ${what}`);
  say(`seed ${seed}: ${events} events, ${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const values = readOptions();
  if (values.help === true) {
    say(help);
    return 0;
  }
  const schedules = numberOf('schedules', values.schedules);
  const firstSeed = numberOf('seed', values.seed);
  if (values.trace) return trace(firstSeed);
  const planted = values.plant ?? null;
  if (planted !== null && plants[planted] === undefined)
    throw new RangeError(`--plant ${planted}: there is no such defect`);
  const found = await simulate({
    firstSeed,
    schedules,
    workers: availableParallelism(),
    planted,
    untilViolated: planted !== null,
    onResult: ({ seed, violations: [first] }, done) => {
      if (first) say(`VIOLATED  seed ${seed}: ${first.invariant}: ${first.what}`);
      if (done % TELL_EVERY === 0) say(`${done} of ${schedules} runs`);
    },
  });
  if (values.json !== undefined)
    await writeFile(resolve(process.env['INIT_CWD'] ?? '.', values.json), `${JSON.stringify(found, null, 2)}\n`);
  const seeds = new Set(found.violations.map(({ seed }) => seed));
  say(`${found.schedules} runs, ${found.events} events, ${found.faults} faults: ${seeds.size} runs with a violation`);
  const rare = rareCells(found.coverage, ENOUGH_HITS);
  const isRare = schedules >= RELEASE_RUNS && rare.length > 0;
  if (isRare) {
    const named = rare.map(({ step, fault, hits }) => `${fault} at ${step} ${hits} times`);
    say(`${rare.length} pairs of a step and a fault were met fewer than ${ENOUGH_HITS} times: ${named.join(', ')}`);
  }
  if (found.tooSmall.length > 0)
    say(`${found.tooSmall.length} runs had less in them than a schedule is to have: ${found.tooSmall.join(', ')}`);
  if (planted !== null) return seeds.size > 0 ? 0 : 1;
  return seeds.size > 0 || found.tooSmall.length > 0 || isRare ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  process.stderr.write(`${error.message}\n\n${help}\n`);
  process.exitCode = 2;
}
