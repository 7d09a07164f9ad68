import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterFolders } from '../../cluster/folders.js';
import type { System } from './system.js';

const NAMED = /(?:vol|leg)-[a-z0-9]{10}/;

/**
 * Whatever carries the id of a volume or leg that the API does not show: files of legs and keys, records, and the
 * folders with sockets that daemons run in. Each as its path within the system.
 */
export async function leftoversOf(system: System): Promise<string[]> {
  const volumes = await system.volumes();
  const known = new Set(volumes.flatMap(({ volumeId, legs }) => [volumeId, ...legs.map(({ legId }) => legId)]));
  const { folders } = system.cluster;
  const paths = await pathsOf(folders);
  return paths.filter((path) => {
    const [id] = NAMED.exec(path) ?? [];
    return id !== undefined && !known.has(id);
  });
}

async function pathsOf({ root, pools, run }: ClusterFolders): Promise<string[]> {
  const found: string[] = [];
  for (const folder of [pools, run]) {
    const entries = await readdir(folder, { recursive: true });
    found.push(...entries.map((entry) => join(folder, entry).replace(`${root}/`, '')));
  }
  return found;
}
