import { join } from 'node:path';
import { Cluster } from './cluster.js';
import { workspaceFolder } from './folders.js';

/** What a first-time user's notes say; FLEXBSO_PORT chooses another before the first start. */
const DEFAULT_GATEWAY_PORT = 8420;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

try {
  const gatewayPort = Number(process.env['FLEXBSO_PORT'] ?? DEFAULT_GATEWAY_PORT);
  if (!Number.isInteger(gatewayPort) || gatewayPort < 1 || gatewayPort > 65_535)
    throw new Error(`FLEXBSO_PORT is a port, 1 to 65535, not ${process.env['FLEXBSO_PORT'] ?? ''}`);
  const cluster = await Cluster.start({ folder: join(workspaceFolder, '.flexbso'), gatewayPort, say });
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
