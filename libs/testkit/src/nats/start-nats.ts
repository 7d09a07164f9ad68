import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  makeIdentities,
  natsServerConfig,
  seedFileOf,
  type NatsServerConfig,
  type StoredIdentity,
} from '@flexbso/messaging/identities';
import type { Principal } from '@flexbso/messaging/agent';
import { installedTools } from '../installed-tools.js';

export interface StartNats {
  /** Who may connect; each gets a seed file of its own. */
  readonly principals: readonly Principal[];
}

/** A running nats-server of a test, with its own folder. Stop it in the test's teardown. */
export interface TestNats {
  /** `nats://127.0.0.1:<port>`; the same after `resume`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly identities: readonly StoredIdentity[];
  /** For `credentials: { seedFile }` of `connectBus`. */
  seedFile(principal: Principal): string;
  /** Ends the process and leaves port and store for `resume`. */
  pause(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port with what it had stored. */
  resume(): Promise<void>;
  /** Ends the process and removes its folder. */
  stop(): Promise<void>;
}

/** Two seconds on an idle machine is generous; two shared cores under load are not idle. */
const READY_TIMEOUT_MS = 20_000;
const POLL_MS = 20;

/** The nats-server to test with: FLEXBSO_NATS_SERVER, or what setup installed. */
export function natsServerPath(): string {
  return process.env.FLEXBSO_NATS_SERVER ?? installedTools().natsServer;
}

/** Starts the real nats-server on a free loopback port, with JetStream in a temporary folder. */
export async function startNats(options: StartNats): Promise<TestNats> {
  // First, so that a machine without the server is told so before anything is made.
  const program = natsServerPath();
  const dir = await mkdtemp(join(tmpdir(), 'flexbso-nats-'));
  try {
    return await startIn(dir, program, options);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(dir: string, program: string, options: StartNats): Promise<TestNats> {
  const identityDir = join(dir, 'identities');
  const portsFileDir = join(dir, 'ports');
  await mkdir(portsFileDir);
  const identities = await makeIdentities(identityDir, options.principals);
  const base = { storeDir: join(dir, 'store'), users: identities };

  let server = await run(program, dir, { ...base, port: -1, portsFileDir });
  const port = await readPort(server, portsFileDir);
  // A spec that ends without its teardown leaves neither process nor folder; only a SIGKILL of it does.
  const onExit = () => {
    server.child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return server.child.pid ?? 0;
    },
    identities,
    seedFile: (principal) => seedFileOf(identityDir, principal),
    pause: (signal = 'SIGKILL') => endProcess(server.child, signal),
    resume: async () => {
      server = await run(program, dir, { ...base, port });
    },
    stop: async () => {
      await endProcess(server.child, 'SIGTERM');
      await rm(dir, { recursive: true, force: true });
      process.off('exit', onExit);
    },
  };
}

interface RunningServer {
  readonly child: ChildProcess;
  readonly log: () => string;
  /** Why it could not be spawned. */
  readonly failure: () => Error | null;
}

async function run(program: string, dir: string, config: NatsServerConfig): Promise<RunningServer> {
  const configFile = join(dir, 'nats.conf');
  await writeFile(configFile, natsServerConfig(config));
  const child = spawn(program, ['-c', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  let failure: Error | null = null;
  child.once('error', (error) => {
    failure = error;
  });
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (chunk: string) => {
    // The end of the log tells why it failed; a chatty server must not fill the memory.
    log = (log + chunk).slice(-8_000);
  });
  const server = { child, log: () => log, failure: () => failure };
  await until(server, () => log.includes('Server is ready'));
  return server;
}

async function readPort(server: RunningServer, portsFileDir: string): Promise<number> {
  let port: number | null = null;
  await until(server, async () => {
    const [name] = (await readdir(portsFileDir)).filter((file) => file.endsWith('.ports'));
    if (name === undefined) return false;
    const match = /nats:\/\/[^"]*:(\d+)/.exec(await readFile(join(portsFileDir, name), 'utf8'));
    port = match ? Number(match[1]) : null;
    return port !== null;
  });
  if (port === null) throw new Error('nats-server wrote no port');
  return port;
}

/** Polls, since neither the log nor the ports file can be awaited; fails with the log when the server ends or is late. */
async function until(server: RunningServer, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await condition())) {
    const failure = server.failure();
    const ended = server.child.exitCode !== null || server.child.signalCode !== null;
    if (failure !== null || ended || performance.now() > deadline) {
      await endProcess(server.child, 'SIGKILL');
      throw new Error(`nats-server did not become ready:\n${server.log()}`, { cause: failure });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
