import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from './free-port.js';

const run = promisify(execFile);

/** Where Debian installs each major version, below which is `bin`. */
const debianFolder = '/usr/lib/postgresql';
/** initdb and a start take 2 to 6 s on two busy cores. */
const startLimitMs = 30_000;
/** A fast shutdown takes well under a second; past this it is killed, and the test fails. */
const stopLimitMs = 15_000;

/** A PostgreSQL server of a test's own. */
export interface PostgresServer {
  /** `postgres://postgres@127.0.0.1:PORT/postgres`, a superuser without password, on loopback only. */
  readonly url: string;
  /** The postmaster's. */
  readonly pid: number;
  /** Creates an empty database on it and answers its URL: cheaper than a server for each test. */
  createDatabase(name: string): Promise<string>;
  /** Stops the server and removes its folder; calling it again does nothing. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server (the newest version that Debian's packages installed) in a temporary folder, on a free
 * port of 127.0.0.1. Without fsync: a test survives no power loss. As root it runs as the user `postgres` or
 * `nobody`, since PostgreSQL refuses root.
 * @throws when PostgreSQL is not installed or does not start; the message holds what it said.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = await binFolder();
  const user = await postgresUser();
  const folder = await mkdtemp(join(tmpdir(), 'flexbso-postgres-'));
  try {
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    const data = join(folder, 'data');
    const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
    await run(
      join(bin, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
      { ...identity, cwd: folder },
    );
    const port = await freePort();
    const child = spawn(join(bin, 'postgres'), ['-D', data, ...serverSettings(folder, port)], {
      ...identity,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return await whenReady(child, port, folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function serverSettings(folder: string, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    fsync: 'off',
    max_connections: '60',
    shared_buffers: '16MB',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function whenReady(child: ChildProcess, port: number, folder: string): Promise<PostgresServer> {
  const said: string[] = [];
  // The last lines are enough to say why it did not start.
  child.stderr?.setEncoding('utf8').on('data', (text: string) => void (said.push(text) > 50 && said.shift()));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const stop = stopOnce(child, folder);
  const giveUpAtMs = performance.now() + startLimitMs;
  let lastError: unknown;
  while (performance.now() < giveUpAtMs && child.exitCode === null && child.pid !== undefined) {
    try {
      await query(url, 'SELECT 1');
      return { url, pid: child.pid, createDatabase: (name) => createDatabase(url, name), stop };
    } catch (error) {
      lastError = error;
      await delay(50);
    }
  }
  await stop();
  throw new Error(`PostgreSQL did not start: ${said.join('')}`, { cause: lastError });
}

function stopOnce(child: ChildProcess, folder: string): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= stopServer(child, folder));
}

async function stopServer(child: ChildProcess, folder: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    // SIGINT is PostgreSQL's fast shutdown: connections are cut, children end, sockets go.
    child.kill('SIGINT');
    const killer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
    await exited;
    clearTimeout(killer);
  }
  await rm(folder, { recursive: true, force: true });
}

async function createDatabase(url: string, name: string): Promise<string> {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new Error(`"${name}" is no plain database name`);
  await query(url, `CREATE DATABASE "${name}"`);
  const made = new URL(url);
  made.pathname = `/${name}`;
  return made.href;
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A server that goes away while the client waits is told by the query's rejection.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function binFolder(): Promise<string> {
  const versions = await readdir(debianFolder).catch((cause: unknown) => {
    throw new Error(`PostgreSQL is not installed: ${debianFolder} is missing; install the package postgresql`, {
      cause,
    });
  });
  const newest = versions.filter((version) => /^\d+$/.test(version)).toSorted((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error(`PostgreSQL is not installed: no version below ${debianFolder}`);
  return join(debianFolder, newest, 'bin');
}

/** Whom PostgreSQL is run as, since it refuses root: `postgres`, or `nobody`; undefined when we are not root ourselves. */
export async function postgresUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const name = await run('id', ['-u', 'postgres']).then(
    () => 'postgres',
    () => 'nobody',
  );
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
  );
  if (uid === undefined || gid === undefined) throw new Error(`the user ${name} has no ids`);
  return { uid, gid };
}
