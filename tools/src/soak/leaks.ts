import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkReportSchema } from '@flexbso/contracts';
import type { Volume } from '@flexbso/contracts';
import { z } from 'zod';
import type { ApiClient } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import { dataPlanesIn, processesWhose } from '../cluster/data-planes.js';
import type { ClusterFolders } from '../cluster/folders.js';
import type { ProcessRecord } from '../cluster/processes.js';

const OWNED = /(?:vol|leg)-[a-z0-9]{10}/;

/** Files of pools, agents and data planes that belong to none of these ids, and were not there before any volume was. */
export function strayFiles(
  paths: readonly string[],
  before: ReadonlySet<string>,
  knownIds: ReadonlySet<string>,
): string[] {
  return paths.filter((path) => {
    const [id] = OWNED.exec(path) ?? [];
    return id === undefined ? !before.has(path) : !knownIds.has(id);
  });
}

/** Everything that pools, agents and data planes keep, as paths. */
export async function keptPaths({ pools, agents, run }: ClusterFolders): Promise<string[]> {
  const found: string[] = [];
  for (const folder of [pools, agents, run]) {
    const entries = await readdir(folder, { recursive: true });
    found.push(...entries.map((entry) => join(folder, entry)));
  }
  return found;
}

export const idsOf = (volumes: readonly Volume[]): Set<string> =>
  new Set(volumes.flatMap(({ volumeId, legs }) => [volumeId, ...legs.map(({ legId }) => legId)]));

/** Every process that names a folder of this system and is neither one that was started for it nor a data plane that it needs. */
export function strayProcesses(
  { processes, folders }: Pick<Cluster, 'processes' | 'folders'>,
  volumes: readonly Needed[],
): ProcessRecord[] {
  const needed = neededDataPlanes(folders, volumes).flatMap((folder) => dataPlanesIn(folder).slice(0, 1));
  const known = new Set([process.pid, ...[...processes, ...needed].map(({ pid }) => pid)]);
  const ours = (line: string): boolean => line.includes(`${folders.root}/`) || line.includes(`${folders.run}/`);
  return processesWhose(ours, 'not needed').filter(({ pid }) => !known.has(pid));
}

/** What of a volume says which data planes it needs. */
type Needed = Pick<Volume, 'cardId' | 'volumeId'> & {
  readonly legs: readonly Pick<Volume['legs'][number], 'poolId' | 'legId'>[];
};

/** Where each of them runs: one for a volume on its card, and one for a leg that its pool serves over the network. */
export function neededDataPlanes({ run }: Pick<ClusterFolders, 'run'>, volumes: readonly Needed[]): string[] {
  return volumes.flatMap(({ cardId, volumeId, legs }) => [
    join(run, cardId, volumeId),
    ...legs.map(({ poolId, legId }) => join(run, poolId, legId)),
  ]);
}

/** How many files, sockets and the like a process has open. Null: it runs no more. */
export function descriptorsOf(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
}

/** By program: whichever of two is active by now has what the other had open. */
export function descriptorsByProgram(processes: readonly ProcessRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name, pid } of processes) {
    const program = name.replace(/^(inventory|scheduler)-2$/, '$1');
    counts.set(program, (counts.get(program) ?? 0) + (descriptorsOf(pid) ?? 0));
  }
  return counts;
}

const healthSchema = z.looseObject({ health: z.strictObject({ host: z.string(), port: z.int() }) });

/** Reservations that the scheduler holds for nothing, or fails to hold, and what a check finds of them. */
export async function strayReservations(
  cluster: Pick<Cluster, 'processes' | 'folders'>,
  api: Pick<ApiClient, 'get'>,
  volumes: readonly { readonly legs: readonly unknown[] }[],
): Promise<string[]> {
  const held = heldReservations(await textOf(`${await activeScheduler(cluster)}/metrics`));
  const legs = volumes.flatMap((volume) => volume.legs).length;
  const { differences } = await api.get('/v1/check', checkReportSchema);
  return [
    ...surplus('volumes', held.volume, volumes.length),
    ...surplus('legs', held.leg, legs),
    ...differences.filter(({ where }) => where === 'scheduler').map(({ id, what }) => `${id}: ${what}`),
  ];
}

/** Where the scheduler tells of itself that is active; a standby has no books. @throws where none is */
async function activeScheduler({ processes, folders }: Pick<Cluster, 'processes' | 'folders'>): Promise<string> {
  for (const { name } of processes.filter((one) => one.name.startsWith('scheduler'))) {
    const file = join(folders.configurations, `${name}.json`);
    const { health } = healthSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const address = `http://${health.host}:${health.port}`;
    if ((await textOf(`${address}/readyz`)).includes('"role":"active"')) return address;
  }
  throw new Error('no scheduler is active');
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text();
}

/** From the scheduler's metrics, as Prometheus reads them. @throws where they hold no such figures */
export function heldReservations(metrics: string): { volume: number; leg: number } {
  const figure = (kind: string): number => {
    const line = metrics
      .split('\n')
      .find((one) => one.startsWith('bso_scheduler_fleet{') && one.includes(`kind="${kind}"`));
    const value = Number(
      line
        ?.slice(line.lastIndexOf('}') + 1)
        .trim()
        .split(' ')[0],
    );
    if (line === undefined || Number.isNaN(value)) throw new Error(`the scheduler shows no reservations of a ${kind}`);
    return value;
  };
  return { volume: figure('volume'), leg: figure('leg') };
}

/** One line for each that is too many or too few. */
function surplus(what: string, held: number, used: number): string[] {
  return Array.from({ length: Math.abs(held - used) }, () => `${held} reservations of ${what}, and ${used} are in use`);
}
