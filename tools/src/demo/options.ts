import { parseArgs } from 'node:util';
import { databaseKindOf } from '../cluster/database-kind.js';
import type { DatabaseKind } from '../cluster/database-kind.js';
import type { Planted } from '../load/change-under-load.js';
import { demoClients } from './changes.js';
import type { DemoClient } from './changes.js';

export interface DemoOptions {
  readonly client: DemoClient;
  readonly database: DatabaseKind;
  readonly jsonFile: string | null;
  readonly only: string | null;
  readonly planted: Planted | null;
  /** Seconds less of load before each change, for whoever asks whether all held and not how it felt. */
  readonly quick: boolean;
  readonly keep: boolean;
}

export const demoHelp = `npm run demo -- [--client guest|nbd] [--database sqlite|postgresql]
                    [--json FILE] [--only TEXT] [--plant wrong-byte|failed-io] [--quick] [--keep]

Starts the whole system, makes a volume, changes its stack live under verified I/O, prints what the
client felt, and stops everything that it started. Exits 0 only when no I/O failed and no byte was wrong.

  --client guest   a virtual machine with the volume as its disk and fio in it (the default; x86-64 only)
  --client nbd     fio on this machine, over NBD: only the changes of the volume, in two minutes
  --database KIND  what the services keep their state in: sqlite (the default), or postgresql, with standbys
  --json FILE      the table as JSON too
  --only TEXT      only the changes whose name holds TEXT
  --plant FAULT    puts one fault in on purpose; the demo must then exit 1
  --quick          less load before each change: what it felt is compared with less
  --keep           leaves the system's files in .flexbso/demo`;

export class UsageError extends Error {}

/** Throws {@link UsageError} for what it does not know; null asks for help. */
export function parseDemoOptions(argv: readonly string[]): DemoOptions | null {
  const { values } = parse(argv);
  if (values.help === true) return null;
  const client = demoClients.find((known) => known === values.client);
  if (client === undefined) throw new UsageError(`--client ${values.client}: guest or nbd`);
  const planted = values.plant ?? null;
  if (planted !== null && planted !== 'wrong-byte' && planted !== 'failed-io')
    throw new UsageError(`--plant ${planted}: wrong-byte or failed-io`);
  const database = databaseKindOf(values.database);
  if (database === undefined) throw new UsageError(`--database ${values.database}: sqlite or postgresql`);
  return {
    client,
    database,
    jsonFile: values.json ?? null,
    only: values.only ?? null,
    planted,
    quick: values.quick,
    keep: values.keep,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        client: { type: 'string', default: 'guest' },
        database: { type: 'string', default: 'sqlite' },
        json: { type: 'string' },
        only: { type: 'string' },
        plant: { type: 'string' },
        quick: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
