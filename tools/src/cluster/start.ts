import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from './cluster.js';
import { clusterFolders, workspaceFolder } from './folders.js';

/** What a first-time user's notes say; FLEXBSO_PORT chooses another before the first start. */
const DEFAULT_GATEWAY_PORT = 8420;

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

try {
  const folder = join(workspaceFolder, '.flexbso');
  const gatewayPort = wantedPort(clusterFolders(folder).recordFile);
  const cluster = await Cluster.start({ folder, gatewayPort, say });
  say(
    `\nFlexBSO is up.\n  gateway  ${cluster.address.server}\n  token    ${cluster.address.token}\n  state    ${cluster.folders.root}\n`,
  );
  say('The command finds both by itself:   npx flexbso get cards');
  say('To end it:                          npm stop');
} catch (error) {
  process.stderr.write(
    `start failed: ${error instanceof Error ? error.message : String(error)}\nWhat runs already is ended by: npm stop\n`,
  );
  process.exitCode = 1;
}
