import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { until } from '../api/until.js';
import type { ConfiguredProcess } from './configurations.js';
import { isRunning } from './processes.js';
import type { ProcessRecord } from './processes.js';

/** Node starts in under a second; a machine under load may take many times as long. */
const READY_DEADLINE_MS = 60_000;

/** Waits until a process answers where its plan says. */
export async function ready(plan: ConfiguredProcess, record: ProcessRecord): Promise<void> {
  const { readiness } = plan;
  await until(`${plan.name} is ready (its log: ${plan.logFile})`, READY_DEADLINE_MS, async () => {
    // Waiting on for a process that has ended would hide why it did.
    if (!isRunning(record)) throw new Error(`${plan.name} ended before it was ready; its log: ${plan.logFile}`);
    if (readiness.kind === 'http') return answersOk(readiness.url);
    return readiness.kind === 'tcp' ? accepts(readiness.port) : saysReady(plan.logFile, record.pid);
  });
}

/** The log holds earlier lives too; the pid tells them apart. */
async function saysReady(logFile: string, pid: number): Promise<boolean> {
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  return lines.some((line) => line.startsWith('{"ready":true') && line.includes(`"pid":${pid}`));
}

/** A standby says that it is ready as well: nobody is served by it, and after a crash it waits for its own old lease. */
async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const text = await response.text();
    return response.ok && !text.includes('"role":"standby"');
  } catch (error) {
    // Not listening yet, or not answering yet: both are what is waited for.
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')) return false;
    throw error;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.end() !== null));
    socket.once('error', () => resolve(false));
  });
}
