import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.js';
import { databaseKindOf } from './database-kind.js';
import type { DatabaseKind } from './database-kind.js';
import { clusterFolders, workspaceFolder } from './folders.js';

/** What a first-time user's notes say; FLEXBSO_PORT chooses another before the first start. */
const DEFAULT_GATEWAY_PORT = 8420;

/** A storage target whose legs every card reaches. */
const compressing = { poolIds: ['pool-5'], isRequired: false };

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What was asked for; else what this system had; else the default. */
function wantedPort(recordFile: string): number | null {
  const asked = process.env['FLEXBSO_PORT'];
  if (asked === undefined) return existsSync(recordFile) ? null : DEFAULT_GATEWAY_PORT;
  const port = Number(asked);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`FLEXBSO_PORT is a port, 1 to 65535, not ${asked}`);
  return port;
}

const help = `npm start -- [--database sqlite|postgresql]

Starts the stand-in system, or what of it does not run, with the state that it has in .flexbso.

  --database KIND  of a new system: sqlite, a file for each service (the default); or postgresql, a server of
                   the system's own, with a standby each of inventory and scheduler. A system keeps what it has
  FLEXBSO_PORT     in the environment: the gateway's port, ${DEFAULT_GATEWAY_PORT} unless the system has another`;

/** Null: what the system has. */
function wantedDatabase(named: string | undefined): DatabaseKind | null {
  if (named === undefined) return null;
  const kind = databaseKindOf(named);
  if (kind === undefined) throw new Error(`--database ${named}: sqlite or postgresql`);
  return kind;
}

async function start(database: DatabaseKind | null): Promise<void> {
  const folder = join(workspaceFolder, '.flexbso');
  const gatewayPort = wantedPort(clusterFolders(folder).recordFile);
  const cluster = await Cluster.start({ folder, gatewayPort, database, compressing, say });
  say(
    `\nFlexBSO is up.\n  gateway  ${cluster.address.server}\n  token    ${cluster.address.token}\n  state    ${cluster.folders.root}\n`,
  );
  say('The command finds both by itself:   npx flexbso get cards');
  say('To end it:                          npm stop');
}

try {
  const options = { database: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) say(help);
  else await start(wantedDatabase(values.database));
} catch (error) {
  process.stderr.write(
    `start failed: ${error instanceof Error ? error.message : String(error)}\nWhat runs already is ended by: npm stop\n`,
  );
  process.exitCode = 1;
}
