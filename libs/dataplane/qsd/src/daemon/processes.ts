import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

function isMissing(cause: unknown): boolean {
  // A process that ends while it is looked at answers with either.
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ESRCH');
}

const isForbidden = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'EACCES';

/** Text of a file; null when the file, or the process that it tells of, is not there. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (isMissing(cause)) return null;
    throw cause;
  }
}

/** Names in a run directory; none where nothing ever ran since the machine started. */
export async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw cause;
  }
}

/** The one argument that a daemon is known by: its monitor's socket, which no other daemon has. */
export const monitorArgument = (qmpSocket: string): string => `socket,id=qmp,path=${qmpSocket},server=on,wait=off`;

/** A process becomes another program within microseconds; on a machine that is short of all, somewhat later. */
const EXEC_TIMEOUT_MS = 1000;

/**
 * Whether the process is the daemon that serves this monitor. A pid may have been given to another
 * process, so the pid alone says nothing; the monitor's path on its command line names one daemon only.
 * A process that ended and waits to be reaped has no command line.
 */
export async function isDaemonOf(pid: number, qmpSocket: string): Promise<boolean> {
  return (await commandLineOf(pid)).includes(monitorArgument(qmpSocket));
}

/**
 * Empty for a process that is gone or ended, and for the kernel's own. A daemon is started by programs that become it:
 * each time that one becomes the next its command line is empty for a moment, while it has a program. Taken for nobody's
 * then, it would be left running, and another be started beside it.
 */
async function commandLineOf(pid: number): Promise<readonly string[]> {
  const deadline = performance.now() + EXEC_TIMEOUT_MS;
  for (;;) {
    const text = await readIfThere(`/proc/${pid}/cmdline`);
    if (text === null) return [];
    if (text !== '' || performance.now() > deadline || !(await hasProgram(pid))) return text.split('\0');
    await sleep(1);
  }
}

async function hasProgram(pid: number): Promise<boolean> {
  try {
    await readlink(`/proc/${pid}/exe`);
    return true;
  } catch (cause) {
    // Of another user's processes, in a container, not even this may be looked at: none of ours.
    if (isMissing(cause) || isForbidden(cause)) return false;
    throw cause;
  }
}

/** The daemon of this monitor by its pid file; null when it does not run. */
export async function daemonOfPidFile(pidFile: string, qmpSocket: string): Promise<number | null> {
  const text = await readIfThere(pidFile);
  const pid = Number(text?.trim());
  if (text === null || !Number.isSafeInteger(pid) || pid < 2) return null;
  return (await isDaemonOf(pid, qmpSocket)) ? pid : null;
}

/**
 * Looks at every process for the daemon of this monitor. It finds one whose starter died before the
 * pid file was written; a second daemon would take over its socket.
 */
export async function daemonByScan(qmpSocket: string): Promise<number | null> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (await isDaemonOf(Number(entry), qmpSocket)) return Number(entry);
  }
  return null;
}

/** Of the fields after the name, in proc(5): how many threads there are. */
const STAT_THREADS = 17;

/**
 * Whether a process is on its way out: its memory, and with it its command line, goes before its files are closed and
 * their locks let go. Its first thread may be dead, and others at that still. A dead one has nothing left, though its
 * parent may not have asked for its end yet.
 */
async function isLeaving(pid: number): Promise<boolean> {
  const [commandLine, stat] = await Promise.all([
    readIfThere(`/proc/${pid}/cmdline`),
    readIfThere(`/proc/${pid}/stat`),
  ]);
  if (commandLine !== '' || stat === null) return false;
  // `pid (name) state …`: the name may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isDead = fields[0] === 'Z' || fields[0] === 'X';
  return !isDead || Number(fields[STAT_THREADS]) > 1;
}

/** Waits until the daemon is no more and holds nothing open; false when it still does at the deadline. */
export async function waitUntilGone(pid: number, qmpSocket: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while ((await isDaemonOf(pid, qmpSocket)) || (await isLeaving(pid))) {
    if (performance.now() > deadline) return false;
    // The kernel tells only a parent of a death, and an adopted daemon's parent is init.
    await sleep(10);
  }
  return true;
}

/** What times in `/proc` are counted in, whatever the kernel counts in itself (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Of the fields after the name, in proc(5): when it was started, after the machine was. */
const STAT_STARTED_AT = 19;

/** How long a process runs, by a clock that nobody sets; 0 of one that is gone. */
export async function daemonAgeSeconds(pid: number): Promise<number> {
  const [stat, uptime] = await Promise.all([readIfThere(`/proc/${pid}/stat`), readIfThere('/proc/uptime')]);
  if (stat === null || uptime === null) return 0;
  const startedAtTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[STAT_STARTED_AT]);
  return Number(uptime.split(' ')[0]) - startedAtTicks / TICKS_PER_SECOND;
}
