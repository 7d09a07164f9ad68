import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { postgresUser } from '@flexbso/testkit';
import { z } from 'zod';
import { readIfThere } from '../files/read-if-there.js';
import type { ConfiguredProcess } from './configurations.js';
import { closedParentOf } from './data-planes.js';
import type { ClusterFolders } from './folders.js';

/** The services that have a database. */
const databaseServices = ['inventory', 'scheduler', 'telemetry'] as const;
export type DatabaseService = (typeof databaseServices)[number];

const passwordsSchema = z.record(z.enum(databaseServices), z.string().min(1));
type Passwords = z.infer<typeof passwordsSchema>;

/** The PostgreSQL server of a system, and how each service reaches the database of its own. */
export interface Postgresql {
  readonly process: ConfiguredProcess;
  urlOf(service: DatabaseService): string;
}

/** Its name among the system's processes. */
export const POSTGRESQL = 'postgresql';

/** Three services and two standbys with ten connections each, and room for a look by hand. */
const MAX_CONNECTIONS = 60;

export interface PostgresqlInput {
  readonly folders: ClusterFolders;
  readonly port: number;
  /** Folder of the server's programs. */
  readonly bin: string;
}

/**
 * Makes a PostgreSQL server for a system, where it has none yet, and says how it is started. Each service has a role,
 * a password and a database; the server listens on loopback only, lets each role into its own database and nobody else
 * into any: the superuser too has no way in.
 * @throws where PostgreSQL's user cannot reach the folder, or what the server's programs say
 */
export async function preparePostgresql({ folders, port, bin }: PostgresqlInput): Promise<Postgresql> {
  const user = await postgresUser();
  const folder = folders.postgresql;
  const closed = user === undefined ? null : closedParentOf(folder);
  if (closed !== null)
    throw new Error(
      `PostgreSQL refuses to run as root, and another user cannot reach ${folder}: open ${closed} (chmod o+x), or start as another user`,
    );
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const passwords = await keptPasswords(folders);
  if ((await readIfThere(join(data, 'PG_VERSION'))) === null) await makeData(data, passwords, { bin, user });
  return {
    process: {
      name: POSTGRESQL,
      stage: 'base',
      command: join(bin, 'postgres'),
      arguments: ['-D', data, ...settings(port)],
      environment: {},
      logFile: join(folders.logs, 'postgresql.log'),
      readiness: {
        kind: 'command',
        command: join(bin, 'pg_isready'),
        arguments: ['-q', '-h', '127.0.0.1', '-p', `${port}`],
      },
      ...(user === undefined ? {} : { user }),
    },
    urlOf: (service) => `postgres://${service}:${passwords[service]}@127.0.0.1:${port}/${service}`,
  };
}

function settings(port: number): string[] {
  const values = {
    listen_addresses: '127.0.0.1',
    port: `${port}`,
    unix_socket_directories: '',
    max_connections: `${MAX_CONNECTIONS}`,
    shared_buffers: '32MB',
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Without any character that a URL or SQL would take for its own. */
const newPassword = (): string => randomBytes(24).toString('base64url');

/** Made with the data and kept beside the other secrets. */
async function keptPasswords(folders: ClusterFolders): Promise<Passwords> {
  const file = join(folders.identities, 'postgresql.json');
  const known = await readIfThere(file);
  if (known !== null) return passwordsSchema.parse(JSON.parse(known));
  const passwords = { inventory: newPassword(), scheduler: newPassword(), telemetry: newPassword() };
  await writeFile(file, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 });
  return passwords;
}

interface Programs {
  readonly bin: string;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

/** Whole or not at all: it is made beside its place, and moved there last. */
async function makeData(data: string, passwords: Passwords, programs: Programs): Promise<void> {
  const next = `${data}.next`;
  await rm(next, { recursive: true, force: true });
  const words = ['-D', next, '-U', 'postgres', '-A', 'reject', '-E', 'UTF8', '--locale=C'];
  await run(programs, next, 'initdb', words, '');
  const roles = databaseServices.map((name) => `host ${name} ${name} 127.0.0.1/32 scram-sha-256`);
  await writeFile(join(next, 'pg_hba.conf'), `${roles.join('\n')}\n`);
  // Without a server nobody can come in between; passwords are not among the arguments, which everybody may read.
  const statements = databaseServices.flatMap((name) => [
    `CREATE ROLE ${name} LOGIN PASSWORD '${passwords[name]}';`,
    `CREATE DATABASE ${name} OWNER ${name};`,
  ]);
  const single = ['--single', '-D', next, '-c', 'exit_on_error=on', 'postgres'];
  await run(programs, next, 'postgres', single, `${statements.join('\n')}\n`);
  await rename(next, data);
}

/** @param input for its standard input @throws with what it said */
async function run(
  { bin, user }: Programs,
  data: string,
  program: string,
  words: readonly string[],
  input: string,
): Promise<void> {
  const child = spawn(join(bin, program), words, { cwd: join(data, '..'), stdio: ['pipe', 'pipe', 'pipe'], ...user });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.end(input);
  const [status, ...said] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (status !== 0) throw new Error(`${program} failed with status ${status}: ${said.join('')}`);
}
