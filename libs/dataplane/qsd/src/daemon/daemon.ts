import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, lstat, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LaunchConfig } from '../config.js';
import { unavailable } from '../errors.js';
import { QmpUnreachableError } from '../qmp/errors.js';
import { QmpClient } from '../qmp/qmp-client.js';
import { nothing, versionReply } from '../qmp/replies.js';
import {
  daemonByScan,
  daemonOfPidFile,
  entriesOf,
  isDaemonOf,
  monitorArgument,
  readIfThere,
  waitUntilGone,
} from './processes.js';

/** A daemon that was told to quit flushes and goes; ten seconds is a disk that hangs. */
const QUIT_TIMEOUT_MS = 10_000;
/** Enough of a log for the reason of a failed start, or of a death. */
const LOG_TAIL_CHARACTERS = 1500;

/**
 * One qemu-storage-daemon, known by its run directory alone: nothing here is remembered. It is started in a
 * session of its own, so that it outlives the agent, and found again by pid file and command line.
 */
export class Daemon {
  readonly directory: string;
  readonly qmp: QmpClient;
  readonly #config: LaunchConfig;

  constructor(config: LaunchConfig, name: string, attributes: Record<string, string> = {}) {
    this.#config = config;
    this.directory = join(config.runDirectory, name);
    this.qmp = new QmpClient(this.#qmpSocket, config.commandTimeoutMs, attributes);
  }

  get #qmpSocket(): string {
    return join(this.directory, 'qmp.sock');
  }
  get #pidFile(): string {
    return join(this.directory, 'pid');
  }
  get #logFile(): string {
    return join(this.directory, 'log');
  }

  /** Pid of the running daemon; null when none runs. */
  pid(): Promise<number | null> {
    return daemonOfPidFile(this.#pidFile, this.#qmpSocket);
  }

  /**
   * Whether the last daemon of this directory went as it goes when it is told to: it takes its pid file along, after it
   * has closed every node, which writes what is in memory. False also where the directory went too, as in a reboot.
   */
  async endedInOrder(): Promise<boolean> {
    if ((await daemonByScan(this.#qmpSocket)) !== null) return false;
    const entries = await entriesOf(this.directory);
    return entries.includes(basename(this.#logFile)) && !entries.includes(basename(this.#pidFile));
  }

  /**
   * Makes sure that the daemon runs and answers; one that runs already is adopted. Retryable when it does not come up.
   * `extraArguments` stand on the command line, where everyone on the machine reads them.
   */
  async start(extraArguments: readonly string[] = []): Promise<void> {
    const pid = await daemonByScan(this.#qmpSocket);
    if (pid !== null) return this.#waitUntilItAnswers(async () => !(await isDaemonOf(pid, this.#qmpSocket)));
    await this.#prepareDirectory();
    const child = await this.#spawn(extraArguments);
    try {
      // Not by its command line: that is empty for a moment each time that one program becomes the next.
      await this.#waitUntilItAnswers(() =>
        Promise.resolve(child.pid === undefined || child.exitCode !== null || child.signalCode !== null),
      );
    } catch (cause) {
      // Only what this call started is ended by it: an adopted daemon may carry a guest.
      child.kill('SIGKILL');
      throw unavailable(`qemu-storage-daemon did not start: ${await this.#logTail()}`, cause);
    }
  }

  /** Asks the daemon to quit, waits until it is gone, and clears its run directory. Nothing running is a success. */
  async stop(): Promise<void> {
    const pid = await daemonByScan(this.#qmpSocket);
    if (pid !== null) {
      await this.#quit();
      if (!(await waitUntilGone(pid, this.#qmpSocket, QUIT_TIMEOUT_MS)))
        throw unavailable(
          `qemu-storage-daemon (pid ${pid}) was told to quit and still runs after ${QUIT_TIMEOUT_MS} ms`,
        );
    }
    await this.#clear();
  }

  /** Ends the daemon whatever it does: for a server whose clients are to be cut off. */
  async kill(): Promise<void> {
    await this.#clear();
  }

  /** Nobody is left behind: of two that were started for one monitor, one alone could be told to quit. */
  async #clear(): Promise<void> {
    await this.qmp.close();
    for (let pid = await daemonByScan(this.#qmpSocket); pid !== null; pid = await daemonByScan(this.#qmpSocket)) {
      endAtOnce(pid);
      if (!(await waitUntilGone(pid, this.#qmpSocket, QUIT_TIMEOUT_MS)))
        throw unavailable(`qemu-storage-daemon (pid ${pid}) was killed and is still there after ${QUIT_TIMEOUT_MS} ms`);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  async #quit(): Promise<void> {
    try {
      await this.qmp.execute('quit', {}, nothing);
    } catch (cause) {
      // It may close the connection before its answer is read; whether it went is seen by its process.
      if (!(cause instanceof QmpUnreachableError)) throw cause;
    }
  }

  async #prepareDirectory(): Promise<void> {
    // Of a daemon that died, why is in its log, and is asked when all runs again.
    const lastWords = await this.#lastWords();
    // Others may pass through to the directory of their own daemon, and see nothing else.
    await mkdir(this.#config.runDirectory, { recursive: true, mode: 0o711 });
    await rm(this.directory, { recursive: true, force: true });
    await mkdir(this.directory, { mode: 0o700 });
    if (lastWords !== '') await writeFile(`${this.#logFile}.before`, lastWords, { mode: 0o600 });
    await giveToDataPlane(this.directory, this.#config.dataPlaneUser);
  }

  async #spawn(extraArguments: readonly string[]): Promise<ChildProcess> {
    const log = await open(this.#logFile, 'ax', 0o600);
    try {
      const child = spawn(this.#config.prlimitPath, [...this.#commandLine(), ...extraArguments], {
        cwd: '/',
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        // Nothing of the agent's environment: it may name credentials.
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
      });
      // A program that is not there: the child has no pid then, which the caller sees.
      child.on('error', () => undefined);
      child.unref();
      return child;
    } finally {
      await log.close();
    }
  }

  /** Each program replaces itself by the next (exec), so the pid stays. No core dumps: they would hold keys. */
  #commandLine(): string[] {
    const { setprivPath, dataPlaneUser, maxOpenFiles, qemuStorageDaemonPath } = this.#config;
    const identity =
      dataPlaneUser === null ? [] : [`--reuid=${dataPlaneUser.uid}`, `--regid=${dataPlaneUser.gid}`, '--clear-groups'];
    const isRoot = process.getuid?.() === 0;
    return [
      '--core=0',
      `--nofile=${maxOpenFiles}`,
      '--',
      setprivPath,
      ...identity,
      '--no-new-privs',
      ...(isRoot ? ['--bounding-set=-all'] : []),
      '--inh-caps=-all',
      '--',
      qemuStorageDaemonPath,
      '--chardev',
      monitorArgument(this.#qmpSocket),
      '--monitor',
      'chardev=qmp',
      '--pidfile',
      this.#pidFile,
    ];
  }

  async #waitUntilItAnswers(hasEnded: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + this.#config.startTimeoutMs;
    while (!(await this.#answers())) {
      if (await hasEnded()) throw unavailable(`the daemon of ${this.directory} ended while it started`);
      if (performance.now() > deadline)
        throw unavailable(`the daemon of ${this.directory} did not answer within ${this.#config.startTimeoutMs} ms`);
      await sleep(10);
    }
  }

  async #answers(): Promise<boolean> {
    // The pid file comes last; with it the daemon is found by the next look.
    if ((await this.pid()) === null) return false;
    try {
      await this.qmp.execute('query-version', {}, versionReply);
      return true;
    } catch (cause) {
      if (cause instanceof QmpUnreachableError) return false;
      throw cause;
    }
  }

  async #logTail(): Promise<string> {
    return (await this.#lastWords()) || 'its log is empty';
  }

  /** The end of the log of the last daemon; of one before that, where the last had nothing to say. */
  async #lastWords(): Promise<string> {
    for (const path of [this.#logFile, `${this.#logFile}.before`]) {
      const text = (await readIfThere(path))?.trim() ?? '';
      if (text !== '') return text.slice(-LOG_TAIL_CHARACTERS);
    }
    return '';
  }
}

function endAtOnce(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (cause) {
    // It went by itself since it was seen.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
  }
}

/** Makes the data plane's user the owner; does nothing when the agent and its daemons are one user. */
export async function giveToDataPlane(path: string, user: LaunchConfig['dataPlaneUser']): Promise<void> {
  if (user === null) return;
  if ((await lstat(path)).isSymbolicLink()) throw unavailable(`${path} is a symbolic link and is not given away`);
  await chown(path, user.uid, user.gid);
}

/** Makes a directory that only the data plane's user enters. */
export async function makePrivateDirectory(path: string, user: LaunchConfig['dataPlaneUser']): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  await giveToDataPlane(path, user);
}

/** Makes a directory that others may pass through to what is theirs, and not list. */
export async function makePassage(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o711);
}
