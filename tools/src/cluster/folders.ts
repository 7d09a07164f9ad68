import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The workspace's root; the same depth from src and from dist. */
export const workspaceFolder = fileURLToPath(new URL('../../..', import.meta.url));

/** Where everything of one running system lies. All but `run` is kept across restarts. */
export interface ClusterFolders {
  readonly root: string;
  readonly identities: string;
  readonly configurations: string;
  readonly logs: string;
  /** Of services on SQLite. */
  readonly databases: string;
  /** Of the PostgreSQL server, whose user it belongs to. */
  readonly postgresql: string;
  readonly nats: string;
  readonly agents: string;
  readonly pools: string;
  /**
   * Sockets and pids. Not under `root`: a Unix socket's path holds at most 107 characters (unix(7)), and the
   * workspace may lie deep. Named after `root`, so that two systems on one machine keep apart.
   */
  readonly run: string;
  readonly recordFile: string;
  readonly clientFile: string;
}

export function clusterFolders(root: string): ClusterFolders {
  const name = `flexbso-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`;
  return {
    root,
    identities: join(root, 'identities'),
    configurations: join(root, 'configurations'),
    logs: join(root, 'logs'),
    databases: join(root, 'databases'),
    postgresql: join(root, 'postgresql'),
    nats: join(root, 'nats'),
    agents: join(root, 'agents'),
    pools: join(root, 'pools'),
    run: process.getuid?.() === 0 ? join('/run', name) : join(tmpdir(), `${name}-${process.getuid?.() ?? 0}`),
    recordFile: join(root, 'cluster.json'),
    clientFile: join(root, 'client.json'),
  };
}
