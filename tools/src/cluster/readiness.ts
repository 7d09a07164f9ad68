import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { until } from '../api/until.js';
import type { ConfiguredProcess } from './configurations.js';
import { isRunning } from './processes.js';
import type { ProcessRecord } from './processes.js';

/** Node starts in under a second; a machine under load may take many times as long. */
const READY_DEADLINE_MS = 60_000;
/** Of a whole system at once: looking more often takes a fourth of a processor from what is starting. */
export const START_POLL_MS = 50;

/** Waits until a process answers where its plan says. */
export async function ready(plan: ConfiguredProcess, record: ProcessRecord): Promise<void> {
  const isThere = (): Promise<boolean> => {
    // Waiting on for a process that has ended would hide why it did.
    if (!isRunning(record)) throw new Error(`${plan.name} ended before it was ready; its log: ${plan.logFile}`);
    return isReady(plan, record);
  };
  await until(`${plan.name} is ready (its log: ${plan.logFile})`, READY_DEADLINE_MS, isThere, START_POLL_MS);
}

function isReady({ readiness, logFile }: ConfiguredProcess, { pid }: ProcessRecord): Promise<boolean> {
  if (readiness.kind === 'http') return answersOk(readiness.url, readiness.mayStandBy);
  if (readiness.kind === 'command') return succeeds(readiness.command, readiness.arguments);
  return readiness.kind === 'tcp' ? accepts(readiness.port) : saysReady(logFile, pid);
}

/** The log holds earlier lives too; the pid tells them apart. */
async function saysReady(logFile: string, pid: number): Promise<boolean> {
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  return lines.some((line) => line.startsWith('{"ready":true') && line.includes(`"pid":${pid}`));
}

/**
 * A standby says that it is ready as well, but nobody is served by it. Where there is only one, it is one after a crash
 * too, and waits for its own old lease.
 */
async function answersOk(url: string, mayStandBy: boolean): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const text = await response.text();
    return response.ok && (mayStandBy || !text.includes('"role":"standby"'));
  } catch (error) {
    // Not listening yet, or not answering yet: both are what is waited for.
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')) return false;
    throw error;
  }
}

function succeeds(command: string, words: readonly string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (status) => resolve(status === 0));
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.end() !== null));
    socket.once('error', () => resolve(false));
  });
}
