import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { clusterFolders } from '../cluster/folders.js';
import type { ClusterFolders } from '../cluster/folders.js';
import { strayProcesses, strayReservations } from './leaks.js';

let folder: string;
let folders: ClusterFolders;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soak-'));
  folders = { ...clusterFolders(folder), run: join(folder, 'run') };
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await rm(folder, { recursive: true });
});

const volume = { cardId: 'card-1', volumeId: 'vol-a', legs: [{ poolId: 'pool-4', legId: 'leg-a' }] };

/** Idle, with that among its arguments. */
async function running(argument: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()', argument], { stdio: ['pipe', null, null] });
  children.push(child);
  await once(child, 'spawn');
  return child.pid ?? 0;
}
const plane = (place: string): Promise<number> => running(`socket,path=${folders.run}/${place}/qmp.sock,server=on`);
const strayPids = (processes: readonly { name: string; pid: number; startTicks: number }[] = []): number[] =>
  strayProcesses({ processes, folders }, [volume])
    .map(({ pid }) => pid)
    .toSorted((a, b) => a - b);

describe('a process that a soak finds left over', () => {
  it('is none that a volume or its leg needs, nor one of the system itself', async () => {
    await plane('card-1/vol-a');
    await plane('pool-4/leg-a');
    const service = await running(`${folders.root}/configurations/scheduler.json`);
    expect(strayPids([{ name: 'scheduler', pid: service, startTicks: 0 }])).toEqual([]);
    expect(strayPids()).toEqual([service]);
  });

  it('is the data plane of a volume or leg that is gone, a second one of one that is there, and a client', async () => {
    await plane('card-1/vol-a');
    const left = [await plane('card-1/vol-a'), await plane('card-1/vol-b'), await plane('pool-4/leg-b')];
    left.push(await running(`nbd+unix:///vol-a?socket=${folders.run}/card-1/vol-a/nbd.sock`));
    expect(strayPids()).toHaveLength(left.length);
    expect(strayPids()).toEqual(expect.arrayContaining(left.slice(1)));
  });
});

const metrics = (kind: string, value: number): string => `bso_scheduler_fleet{kind="${kind}"} ${value}\n`;
const found = (...differences: { where: string; id: string; what: string }[]) => ({
  get: async <T>(_path: string, schema: z.ZodType<T>) =>
    schema.parse({
      v: 1,
      atMs: 0,
      volumes: 1,
      legs: 1,
      agents: 8,
      underWay: 0,
      differences,
      differenceCount: differences.length,
    }),
});

describe('a reservation that a soak finds left over', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.close();
      await once(server, 'close');
    }
  });

  /** A scheduler that says of itself that it is in this role and holds so much. */
  async function scheduler(name: string, role: string, held: { volumes: number; legs: number }) {
    const text = metrics('volume', held.volumes) + metrics('leg', held.legs);
    const server = createServer(({ url }, response) => {
      response.setHeader('connection', 'close').end(url === '/readyz' ? JSON.stringify({ role }) : text);
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const { port } = z.object({ port: z.int() }).parse(server.address());
    await mkdir(folders.configurations, { recursive: true });
    const configuration = { health: { host: '127.0.0.1', port } };
    await writeFile(join(folders.configurations, `${name}.json`), JSON.stringify(configuration));
    return { name, pid: process.pid, startTicks: 0 };
  }
  it('is each that the active scheduler holds beyond the volumes and legs that there are, or lacks', async () => {
    const processes = [
      await scheduler('scheduler', 'standby', { volumes: 0, legs: 0 }),
      await scheduler('scheduler-2', 'active', { volumes: 2, legs: 0 }),
    ];
    const cluster = { processes, folders };
    expect(await strayReservations(cluster, found(), [volume])).toEqual([
      '2 reservations of volumes, and 1 are in use',
      '0 reservations of legs, and 1 are in use',
    ]);
    expect(await strayReservations(cluster, found(), [{ legs: [] }, { legs: [] }])).toEqual([]);
  });

  it('is each that a check finds wrong in the books of the scheduler, and nothing of an agent', async () => {
    const processes = [await scheduler('scheduler', 'active', { volumes: 1, legs: 1 })];
    const report = found(
      { where: 'scheduler', id: 'pool-4', what: 'holds 4096 bytes for nobody' },
      { where: 'card-1', id: 'vol-a', what: 'is not there' },
    );
    expect(await strayReservations({ processes, folders }, report, [volume])).toEqual([
      'pool-4: holds 4096 bytes for nobody',
    ]);
  });
});
