import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process as it can be found again: a pid alone may by then be somebody else's. */
export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, from /proc/PID/stat. */
  readonly startTicks: number;
}

export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Whom it runs as, of root's choice; undefined: whoever starts it. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** Field 22 of /proc/PID/stat (proc(5)); the name in field 2 may hold spaces, so fields are counted behind it. */
export function startTicksOf(pid: number): number | null {
  const fields = statOf(pid);
  // A zombie has ended; only its parent has not looked yet.
  return fields === null || fields[0] === 'Z' ? null : Number(fields[19]);
}

/** The processes that a process has started and not outlived. */
export function childrenOf(parent: ProcessRecord): ProcessRecord[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.flatMap((pid) => {
    const startTicks = startTicksOf(pid);
    const isChild = startTicks !== null && statOf(pid)?.[1] === String(parent.pid);
    return isChild ? [{ name: `of ${parent.name}`, pid, startTicks }] : [];
  });
}

/** The fields of /proc/PID/stat from the third on, the state; null when there is no such process. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');

export const isRunning = (process: ProcessRecord): boolean => startTicksOf(process.pid) === process.startTicks;

/** Starts a process that outlives this one; its output goes to the log file. */
export async function startProcess(plan: ProcessPlan): Promise<ProcessRecord> {
  setLongLogAside(plan.logFile);
  const log = openSync(plan.logFile, 'a', 0o600);
  try {
    const child = spawn(plan.command, plan.arguments, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...plan.environment },
      ...plan.user,
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () =>
        child.pid === undefined ? reject(new Error(`${plan.name} has no pid`)) : resolve(child.pid),
      );
    });
    child.unref();
    const startTicks = startTicksOf(pid);
    if (startTicks === null) throw new Error(`${plan.name} ended at once; see ${plan.logFile}`);
    return { name: plan.name, pid, startTicks };
  } finally {
    closeSync(log);
  }
}

/** Logs are kept across restarts: 16 MiB is weeks of a quiet system, and with the one set aside the most that is kept. */
const LONG_LOG_BYTES = 16 * 1024 ** 2;

function setLongLogAside(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LONG_LOG_BYTES) renameSync(logFile, `${logFile}.1`);
}

export function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): void {
  if (!isRunning(record)) return;
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** Asks every process to end and kills what has not by the deadline. */
export async function stopProcesses(records: readonly ProcessRecord[], deadlineMs = 10_000): Promise<void> {
  for (const record of records) signalProcess(record, 'SIGTERM');
  const until = Date.now() + deadlineMs;
  while (records.some(isRunning) && Date.now() < until) await delay(20);
  await killProcesses(records.filter(isRunning));
}

/** Ends processes as a crash does, and waits until they are gone. */
export async function killProcesses(records: readonly ProcessRecord[]): Promise<void> {
  for (const record of records) signalProcess(record, 'SIGKILL');
  while (records.some(isRunning)) await delay(20);
}
