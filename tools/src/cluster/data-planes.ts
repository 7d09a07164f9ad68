import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { startTicksOf, stopProcesses } from './processes.js';
import type { ProcessRecord } from './processes.js';

/** Whom the stand-in's data planes run as when the agents are root. A number of nobody's: no account is needed. */
export const STAND_IN_DATA_PLANE_USER = { uid: 64_055, gid: 64_055 };

/** Data planes outlive their agents, so stopping a system ends them too: every process that serves a socket in its run folder. */
export async function stopDataPlanes(runFolder: string): Promise<void> {
  await stopProcesses(dataPlanesIn(runFolder));
}

export function dataPlanesIn(runFolder: string): ProcessRecord[] {
  return processesWhose((commandLine) => servesSocketIn(runFolder, commandLine), 'data plane');
}

/** Every running process whose command line, its words apart by NUL, is such a one; called `name` in what is returned. */
export function processesWhose(isSuch: (commandLine: string) => boolean, name: string): ProcessRecord[] {
  const pids = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
  return pids.flatMap((pid) => {
    const startTicks = startTicksOf(pid);
    return startTicks !== null && isSuch(commandLineOf(pid)) ? [{ name, pid, startTicks }] : [];
  });
}

/** A guest names such a socket too, as its client. */
function servesSocketIn(runFolder: string, commandLine: string): boolean {
  return commandLine
    .split('\0')
    .some((argument) => argument.includes(`path=${runFolder}/`) && argument.includes(',server=on'));
}

/** Empty for a process that ended meanwhile, and for those of the kernel. */
function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}

/**
 * A user of its own for the data planes, where such a user can reach the pools' files at all; null, the agents'
 * own user without any capability, where it cannot: when not root, or in a workspace that is closed to others.
 */
export function dataPlaneUserFor(folder: string): { uid: number; gid: number } | null {
  return process.getuid?.() === 0 && closedParentOf(folder) === null ? STAND_IN_DATA_PLANE_USER : null;
}

/** A folder on the way to a folder that other users cannot pass through; null: there is none. */
export function closedParentOf(folder: string): string | null {
  const parent = dirname(folder);
  if (parent === folder) return null;
  return (statSync(parent).mode & 0o001) === 0 ? parent : closedParentOf(parent);
}
