import { join } from 'node:path';
import { stopCluster } from './cluster.js';
import { clusterFolders, workspaceFolder } from './folders.js';

try {
  const stopped = await stopCluster(clusterFolders(join(workspaceFolder, '.flexbso')));
  process.stdout.write(stopped ? 'stopped; the state is kept in .flexbso\n' : 'nothing ran\n');
} catch (error) {
  process.stderr.write(`stop failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
