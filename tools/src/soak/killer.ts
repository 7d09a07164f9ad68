import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../cluster/cluster.js';
import { isRunning } from '../cluster/processes.js';
import type { Random } from './random.js';
import type { Tally } from './tally.js';

/** Between kills: long enough that changes come to an end in between, short enough that most meet one. */
const LEAST_PAUSE_MS = 3_000;
const MOST_PAUSE_MS = 9_000;
/** For how long what was killed stays away. */
const MOST_AWAY_MS = 2_000;

/**
 * Kills agents and services at random, as a crash does, now and then two at once, and starts them again, until it is
 * told to stop; everything runs then. Data planes are not touched: that a guest loses its device then is known.
 */
export async function killAtRandom(cluster: Cluster, tally: Tally, random: Random, signal: AbortSignal): Promise<void> {
  const names = cluster.processes.map(({ name }) => name);
  while (await passes(random.between(LEAST_PAUSE_MS, MOST_PAUSE_MS), signal)) {
    await startEnded(cluster, tally, names);
    const killed = new Set([random.pick(names), ...(random.chance(0.25) ? [random.pick(names)] : [])]);
    for (const name of killed) await cluster.kill(name, 'SIGKILL');
    tally.kills += killed.size;
    await passes(random.between(0, MOST_AWAY_MS), signal);
    // In the order of a start: what others wait for comes first.
    for (const name of names.filter((one) => killed.has(one))) await cluster.restart(name);
  }
  await startEnded(cluster, tally, names);
}

/** What has a standby, or is one, ends by itself when another has become active: a supervisor starts it again. */
const mayEnd = (name: string, names: readonly string[]): boolean =>
  names.includes(`${name}-2`) || /^(?:inventory|scheduler)-2$/.test(name);

/** Nobody told it to end: it is started again, and complained of. */
async function startEnded(cluster: Cluster, tally: Tally, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (isRunning(cluster.process(name))) continue;
    if (!mayEnd(name, names)) tally.complain(`${name} ended by itself; its log: ${cluster.folders.logs}/${name}.log`);
    await cluster.restart(name);
  }
}

/** Waits; false at once when the signal is given. */
export async function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
