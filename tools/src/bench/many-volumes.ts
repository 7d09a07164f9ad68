import { readFile, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { installedTools } from '@flexbso/testkit';
import { z } from 'zod';
import { ApiClient } from '../api/client.js';
import type { Cluster, Say } from '../cluster/cluster.js';
import { BlockLedger } from '../load/block-ledger.js';
import { RunningLoad, fillVolume } from '../load/fio.js';
import { feltBetween } from '../load/latency-log.js';
import { NbdTarget } from '../load/nbd-target.js';
import type { LoadTarget } from '../load/target.js';
import { type Bench, completed, createdVolume, residentBytesOf, uriOf } from './bench.js';
import { atMost, median } from './measurement.js';

const AGENT = 'agent-card-1';
const VOLUMES = 125;
const SIDE_BY_SIDE = 5;
const VOLUME_BYTES = 4 * 1024 ** 2;
const LOADED_VOLUME_BYTES = 64 * 1024 ** 2;
/** Several of each of its beats. */
const AT_REST_MS = 60_000;
/** Of one core, with nothing to do but to look and to measure. */
const MOST_REST_SHARE = 0.05;
/** As by default (apps/agent/src/config/config.ts). */
const MEASURE_MS = 10_000;
/** So much more often than that it is measured here, so that what it costs stands out of the noise; each round costs the same. */
const TIMES_AS_OFTEN = 20;
const MEASURE_OFTEN_MS = MEASURE_MS / TIMES_AS_OFTEN;
const MEASURE_NEVER_MS = 3_600_000;
const PAIRS = 9;
const WINDOW_MS = 8_000;
const WARM_UP_MS = 2_000;
/** An agent that has just begun looks at all its volumes. */
const CALM_MS = 5_000;
const STAND_IN_FUNCTIONS = 16;
/** Of proc(5): utime and stime are in these, 100 to the second on every Linux that we run on. */
const TICKS_A_SECOND = 100;

const configurationSchema = z.looseObject({
  timings: z.unknown().optional(),
  dataPlane: z.looseObject({ functions: z.array(z.looseObject({ functionId: z.string() })) }),
});

/** What a card's agent costs with as many volumes as a card has functions. */
export const agentOfManyVolumes: Bench = async ({ cluster, folder, say }) => {
  const api = new ApiClient(cluster.address);
  await reconfigured(cluster, { functionCount: VOLUMES + 1, measureMs: null });
  const names = Array.from({ length: VOLUMES - 1 }, (_, index) => `bench-many-${index}`);
  for (let start = 0; start < names.length; start += SIDE_BY_SIDE)
    await Promise.all(names.slice(start, start + SIDE_BY_SIDE).map((name) => createdVolume(api, name, VOLUME_BYTES)));
  const loaded = await createdVolume(api, 'bench-many-loaded', LOADED_VOLUME_BYTES);
  say(`  ${VOLUMES} volumes`);
  const atRest = await restingAgent(cluster);
  const { fio: fioPath, qemuImg: qemuImgPath } = installedTools();
  const target = new NbdTarget({
    fioPath,
    qemuImgPath,
    uri: uriOf(loaded),
    sizeBytes: LOADED_VOLUME_BYTES,
    folder: join(folder, 'load'),
  });
  const costs = await costsOfMeasuring(cluster, target, say);
  await removeAll(api, [...names, 'bench-many-loaded']);
  await reconfigured(cluster, { functionCount: null, measureMs: null });
  return [
    atMost(`agent with ${VOLUMES} volumes, resident`, atRest.residentMb, 'MB', 100),
    atMost(`agent with ${VOLUMES} volumes, CPU at rest`, atRest.cpuShare * 100, '% of a core', MOST_REST_SHARE * 100),
    atMost(
      `measuring ${VOLUMES} volumes every ${MEASURE_MS / 1000} s, cost in IOPS of a volume`,
      (median(costs) / TIMES_AS_OFTEN) * 100,
      '%',
      1,
    ),
  ];
};

/** Writes another configuration for the agent and has it start with that; null: as the stand-in has it. */
async function reconfigured(
  cluster: Cluster,
  { functionCount, measureMs }: { readonly functionCount: number | null; readonly measureMs: number | null },
): Promise<void> {
  const file = join(cluster.folders.configurations, `${AGENT}.json`);
  const { dataPlane, timings: _timings, ...rest } = configurationSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const [like] = dataPlane.functions;
  const count = functionCount ?? STAND_IN_FUNCTIONS;
  const functions = Array.from({ length: count }, (_, index) => ({ ...like, functionId: `vf-${index}` }));
  const timings = measureMs === null ? {} : { timings: { measureMs } };
  await writeFile(
    file,
    `${JSON.stringify({ ...rest, dataPlane: { ...dataPlane, functions }, ...timings }, null, 2)}\n`,
  );
  await cluster.kill(AGENT, 'SIGTERM');
  await cluster.restart(AGENT);
}

async function restingAgent(cluster: Cluster): Promise<{ residentMb: number; cpuShare: number }> {
  // What creating them cost is over with a new life, which reads what it needs from its journals.
  await reconfigured(cluster, { functionCount: VOLUMES + 1, measureMs: null });
  await delay(CALM_MS);
  const { pid } = cluster.process(AGENT);
  const before = cpuSecondsOf(pid);
  await delay(AT_REST_MS);
  const cpuShare = (cpuSecondsOf(pid) - before) / (AT_REST_MS / 1000);
  return { residentMb: residentBytesOf(pid) / 1e6, cpuShare };
}

/** By pair of windows, which share of a volume's I/O measuring cost; the windows' order alternates against drift. */
async function costsOfMeasuring(cluster: Cluster, target: LoadTarget, say: Say): Promise<number[]> {
  await fillVolume(target, new BlockLedger(target.sizeBytes));
  const costs: number[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const order = pair % 2 === 0 ? [MEASURE_NEVER_MS, MEASURE_OFTEN_MS] : [MEASURE_OFTEN_MS, MEASURE_NEVER_MS];
    const counts = new Map<number, number>();
    for (const measureMs of order) counts.set(measureMs, await ioCountWith(cluster, target, measureMs));
    const [never = 0, often = 0] = [counts.get(MEASURE_NEVER_MS), counts.get(MEASURE_OFTEN_MS)];
    costs.push(1 - often / never);
    say(`  ${never} I/Os without measuring, ${often} with: ${(100 * (1 - often / never)).toFixed(2)} %`);
  }
  return costs;
}

async function ioCountWith(cluster: Cluster, target: LoadTarget, measureMs: number): Promise<number> {
  await reconfigured(cluster, { functionCount: VOLUMES + 1, measureMs });
  await delay(CALM_MS);
  const load = await RunningLoad.start(target);
  await delay(WARM_UP_MS);
  const fromMs = Date.now();
  await delay(WINDOW_MS);
  const toMs = Date.now();
  const { ios } = await load.stop(new BlockLedger(target.sizeBytes));
  return feltBetween(ios, fromMs, toMs).ioCount;
}

async function removeAll(api: ApiClient, names: readonly string[]): Promise<void> {
  for (let start = 0; start < names.length; start += SIDE_BY_SIDE)
    await Promise.all(
      names.slice(start, start + SIDE_BY_SIDE).map(async (name) => {
        const { volumeId } = await api.volume(name);
        await completed(api, (await api.deleteVolume(volumeId)).change);
      }),
    );
}

/** utime and stime of /proc/PID/stat, past the name, which may hold blanks (proc(5)). */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}
