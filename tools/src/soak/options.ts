import { parseArgs } from 'node:util';
import { databaseKindOf } from '../cluster/database-kind.js';
import type { DatabaseKind } from '../cluster/database-kind.js';
import { plants } from './plants.js';
import type { Planted } from './plants.js';

export interface SoakCommand {
  readonly minutes: number;
  readonly volumes: number;
  readonly seed: number;
  readonly planted: readonly Planted[];
  readonly database: DatabaseKind;
  readonly jsonFile: string | null;
  readonly keep: boolean;
}

/** Sixteen functions of each of three cards, and one volume beside for the warm-up. */
const MOST_VOLUMES = 45;
const SEEDS = 2 ** 32;

export const soakHelp = `npm run soak -- --minutes N [--json FILE] [--seed N] [--volumes N] [--database sqlite|postgresql]
                   [--plant FAULT]… [--keep]

Starts a system of its own, changes its volumes at random under verified I/O while agents and services are killed
at random and started again, then reads every byte and looks for what is left over. Exits 0 only when no I/O
failed, no byte was wrong, every change ended or was refused, and nothing leaked.

  --minutes N      for how long volumes are changed and processes killed; 0.5 is possible
  --json FILE      what came of it, as JSON
  --seed N         the same choices as a run before; without it one is taken and printed. Timing is the machine's
  --volumes N      20 without it, ${MOST_VOLUMES} at most
  --database KIND  what the services keep their state in: sqlite (the default), or postgresql, with standbys
  --plant FAULT    puts one such fault in on purpose; the exit status must then be 1. One of: wrong-byte, failed-io,
                   leak (a file), leaked-process, leaked-descriptor, leaked-reservation
  --keep           leaves the system's files, its logs among them, in .flexbso/soak`;

export class UsageError extends Error {}

/** Throws {@link UsageError} for what it does not know; null asks for help. */
export function parseSoakOptions(argv: readonly string[], anySeed: () => number): SoakCommand | null {
  const values = parse(argv);
  if (values.help) return null;
  const database = databaseKindOf(values.database);
  if (database === undefined) throw new UsageError(`--database ${values.database}: sqlite or postgresql`);
  if (values.minutes === undefined) throw new UsageError('--minutes N: for how long');
  return {
    minutes: numberOf('--minutes', values.minutes, { above: 0, beneath: 24 * 60, isWhole: false }),
    volumes: numberOf('--volumes', values.volumes, { above: 0, beneath: MOST_VOLUMES + 1, isWhole: true }),
    seed:
      values.seed === undefined
        ? anySeed()
        : numberOf('--seed', values.seed, { above: -1, beneath: SEEDS, isWhole: true }),
    planted: values.plant.map(plantedOf),
    database,
    jsonFile: values.json ?? null,
    keep: values.keep,
  };
}

function plantedOf(named: string): Planted {
  const planted = plants.find((one) => one === named);
  if (planted === undefined) throw new UsageError(`--plant ${named}: one of ${plants.join(', ')}`);
  return planted;
}

function numberOf(
  option: string,
  text: string,
  { above, beneath, isWhole }: { above: number; beneath: number; isWhole: boolean },
): number {
  const value = Number(text);
  if (text.trim() !== '' && value > above && value < beneath && (!isWhole || Number.isInteger(value))) return value;
  throw new UsageError(`${option} ${text}: a ${isWhole ? 'whole ' : ''}number above ${above} and beneath ${beneath}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        minutes: { type: 'string' },
        json: { type: 'string' },
        seed: { type: 'string' },
        volumes: { type: 'string', default: '20' },
        database: { type: 'string', default: 'sqlite' },
        plant: { type: 'string', multiple: true, default: [] },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
