import { cardSnapshotSchema, poolSnapshotSchema } from '@flexbso/contracts';
import type { CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { z } from 'zod';
import { ApiClient } from '../api/client.js';
import type { Cluster, Say } from '../cluster/cluster.js';
import { endAll, lookBefore } from './ending.js';
import { killAtRandom } from './killer.js';
import { forEachInLanes } from './lanes.js';
import { plantedLeaks } from './plants.js';
import type { Planted } from './plants.js';
import { Random } from './random.js';
import { changeAtRandom, fillPlaces, Tags } from './rounds.js';
import type { Rounds, Subjects } from './rounds.js';
import { begin, end, widestForm } from './subject.js';
import type { SoakScene } from './subject.js';
import { Tally } from './tally.js';
import type { SoakResult } from './tally.js';
import type { Reach } from './wishes.js';

const PROGRESS_MS = 10_000;
/** For how long a request is repeated that nobody answers: a service that was killed is there again in ten seconds. */
const PATIENCE_MS = 60_000;

/** By then is closed what nobody uses any more: connections, and daemons that were told to end. */
const LEFTOVER_MS = 120_000;
/** What was planted stays, however long it is waited for. */
const PLANTED_LEFTOVER_MS = 20_000;

export interface SoakOptions {
  readonly minutes: number;
  readonly volumes: number;
  readonly seed: number;
  readonly planted: readonly Planted[];
}

/** Changes volumes under verified I/O while agents and services are killed, and says what came of it. `signal` ends it early. */
export async function soak(cluster: Cluster, options: SoakOptions, say: Say, signal: AbortSignal): Promise<SoakResult> {
  const random = new Random(options.seed);
  // What fails while everything is being ended is no news.
  const tally = new Tally((line) => (signal.aborted ? undefined : say(line)));
  const api = new ApiClient(cluster.address, { patienceMs: PATIENCE_MS });
  const reaches = await reachesOf(api);
  const leftoverMs = plantedLeaks(options.planted).length > 0 ? PLANTED_LEFTOVER_MS : LEFTOVER_MS;
  const scene: SoakScene = { cluster, api, tally, reaches, leftoverMs };
  const subjects: Subjects = Array.from({ length: options.volumes }, () => null);
  const rounds: Rounds = { scene, subjects, cardIds: [...reaches.keys()], tags: new Tags(), random };
  const interrupted = rejectedBy(signal);
  const startedAtMs = Date.now();
  const progress = setInterval(() => say(`  ${elapsed(startedAtMs).toFixed(0)} s: ${tally.line}`), PROGRESS_MS);
  const orInterrupted = <T>(work: Promise<T>): Promise<T> => Promise.race([work, interrupted]);
  try {
    say('warming up, so that what is opened once and kept is no leak');
    await orInterrupted(warmUp(rounds));
    const before = await lookBefore(scene);
    say(`creating ${options.volumes} volumes`);
    await orInterrupted(fillPlaces(rounds));
    say('changing and killing');
    await between(rounds, AbortSignal.any([signal, AbortSignal.timeout(options.minutes * 60_000)]), interrupted);
    say('reading everything, and looking for what is left over');
    const leaks = await orInterrupted(endAll(scene, rounds.subjects, before, options.planted));
    return tally.result(leaks, options.seed, Math.round(elapsed(startedAtMs)));
  } finally {
    clearInterval(progress);
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  const rejected = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  // Whoever waits for it is told; nobody may be at that moment.
  rejected.catch(() => undefined);
  return rejected;
}

const elapsed = (startedAtMs: number): number => (Date.now() - startedAtMs) / 1000;

/** Nothing is started again behind whoever waits for this: killing ends first, also when changing has failed. */
async function between(
  { scene, random, ...rest }: Rounds,
  over: AbortSignal,
  interrupted: Promise<never>,
): Promise<void> {
  const failed = new AbortController();
  const until = AbortSignal.any([over, failed.signal]);
  const killing = killAtRandom(scene.cluster, scene.tally, random.fork(), until);
  const changing = changeAtRandom({ scene, random: random.fork(), ...rest }, until);
  try {
    await Promise.race([Promise.all([killing, changing]), interrupted]);
  } finally {
    failed.abort();
    await Promise.allSettled([killing]);
  }
}

/** One volume on each card, over all its pools. */
async function warmUp({ scene, cardIds, tags, random }: Rounds): Promise<void> {
  await forEachInLanes(cardIds, async (cardId) => {
    const subject = await begin(scene, cardId, tags.take(), random.fork(), widestForm);
    await subject?.guest.stop();
    if (subject) await end(scene, subject.volume.volumeId);
  });
}

/** Which pools each card reaches: those of its own host, first, and those that all reach. */
async function reachesOf(api: ApiClient): Promise<Map<string, Reach>> {
  const cards = (await api.get('/v1/cards', z.object({ items: z.array(cardSnapshotSchema) }))).items;
  const pools = (await api.get('/v1/pools', z.object({ items: z.array(poolSnapshotSchema) }))).items;
  return new Map(cards.map((card) => [card.cardId, reachOf(card, pools)]));
}

function reachOf({ hostId }: CardSnapshot, pools: readonly PoolSnapshot[]): Reach {
  const own = pools.filter((pool) => pool.reach === 'host' && pool.hostId === hostId);
  const shared = pools.filter((pool) => pool.reach === 'network');
  const reached = [...own, ...shared];
  const compressing = reached.filter(({ capabilities }) =>
    capabilities.has.some(({ name }) => name === 'compress-leg'),
  );
  return { poolIds: idsOf(reached), compressingPoolIds: idsOf(compressing) };
}

const idsOf = (pools: readonly PoolSnapshot[]): string[] => pools.map(({ poolId }) => poolId);
