import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Change, Volume } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { ApiClient } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import { freePorts } from '../cluster/ports.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { NbdTarget } from '../load/nbd-target.js';
import { atMost, atMostTimes, median, percentile } from './measurement.js';
import type { Measurement } from './measurement.js';
import { rawSwapSeconds } from './raw-swap.js';

export interface BenchSetting {
  readonly cluster: Cluster;
  /** For files of the benchmark's own. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

export type Bench = (setting: BenchSetting) => Promise<Measurement[]>;

const GiB = 1024 ** 3;
/** The default of the scheduler; the raw copy gets the same. */
const COPY_BYTES_PER_SECOND = 256 * 1024 ** 2;
const DEADLINE_MS = 120_000;
const SWAP_REPEATS = 3;
/** These do not count: the services have run for seconds only, and most of their code not once. */
const QOS_WARM_UP = 100;
const QOS_CHANGES = 200;
const QOS_PAUSE_MS = 100;
const AGENT_STARTS = 5;

/** DESIGN: a swap of 1 GiB takes at most 1.2 times as long as by raw calls. The two alternate, so that both meet the same noise. */
const swapOfOneGibibyte: Bench = async ({ cluster, folder, say }) => {
  const api = new ApiClient(cluster.address);
  const tools = installedTools();
  const volume = await createdVolume(api, 'bench-swap', GiB);
  await fillVolume(
    new NbdTarget({
      fioPath: tools.fio,
      qemuImgPath: tools.qemuImg,
      uri: uriOf(volume),
      sizeBytes: GiB,
      folder: join(folder, 'load'),
    }),
    new BlockLedger(GiB),
  );
  const whole: number[] = [];
  const raw: number[] = [];
  const [port = 0] = await freePorts(1);
  for (let repeat = 0; repeat < SWAP_REPEATS; repeat += 1) {
    whole.push(await movedSeconds(api, volume.volumeId, 'pool-4'));
    await movedSeconds(api, volume.volumeId, 'pool-1');
    raw.push(
      await rawSwapSeconds({
        tools,
        folder: join(folder, 'raw'),
        sizeBytes: GiB,
        copyBytesPerSecond: COPY_BYTES_PER_SECOND,
        port,
      }),
    );
    say(`  whole system ${whole.at(-1)?.toFixed(2)} s, raw ${raw.at(-1)?.toFixed(2)} s`);
  }
  await completed(api, (await api.deleteVolume(volume.volumeId)).change);
  return [
    atMostTimes(
      'swap of 1 GiB, HTTP request to settled',
      median(whole),
      's',
      { name: 'the same by raw QMP calls', value: median(raw) },
      1.2,
    ),
  ];
};

async function movedSeconds(api: ApiClient, volumeId: string, poolId: string): Promise<number> {
  const start = performance.now();
  await completed(api, (await api.changeVolume(volumeId, { placement: { poolIds: [poolId] } })).change);
  return (performance.now() - start) / 1000;
}

/** From sending the request to the scheduler's having taken the card's report: both on this machine's clock. */
const qosRequestToEcho: Bench = async ({ cluster, say }) => {
  const api = new ApiClient(cluster.address);
  const volume = await createdVolume(api, 'bench-qos', 64 * 1024 ** 2);
  const tookMs: number[] = [];
  let { generation } = await api.volume(volume.volumeId);
  for (let change = 0; change < QOS_WARM_UP + QOS_CHANGES; change += 1) {
    const sentAtMs = performance.timeOrigin + performance.now();
    const changed = await api.patchVolume(volume.volumeId, generation, { qos: { iopsTotal: 1000 + change } });
    // Asking how far it is would compete with what is measured.
    await delay(QOS_PAUSE_MS);
    const ended = await completed(api, changed.change);
    if (change >= QOS_WARM_UP) tookMs.push(Number(ended.appliedAtMs) - sentAtMs);
    generation = ended.toGeneration;
  }
  await completed(api, (await api.deleteVolume(volume.volumeId)).change);
  say(`  ${QOS_CHANGES} changes, longest ${Math.max(...tookMs).toFixed(1)} ms`);
  return [
    atMost('QoS change, HTTP request to echo, p50', percentile(tookMs, 0.5), 'ms', 15),
    atMost('QoS change, HTTP request to echo, p99', percentile(tookMs, 0.99), 'ms', 60),
  ];
};

/** The bundled agent of a storage target: from its start to its word that it is ready, and its memory a moment later. */
const agentReadyAndResident: Bench = async ({ cluster, say }) => {
  const name = 'agent-card-3';
  const readyMs: number[] = [];
  const residentMb: number[] = [];
  for (let start = 0; start < AGENT_STARTS; start += 1) {
    await cluster.kill(name, 'SIGTERM');
    const begunAt = performance.now();
    await cluster.restart(name);
    readyMs.push(performance.now() - begunAt);
    residentMb.push(residentBytesOf(cluster.process(name).pid) / 1e6);
  }
  say(`  ready in ${readyMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  return [
    atMost('agent, start to ready', median(readyMs), 'ms', 300),
    atMost('agent, resident when ready', Math.max(...residentMb), 'MB', 100),
  ];
};

/** VmRSS of /proc/PID/status, in kB (proc(5)). */
function residentBytesOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (match === null) throw new Error(`process ${pid} has no resident memory`);
  return Number(match[1]) * 1024;
}

async function createdVolume(api: ApiClient, name: string, sizeBytes: number): Promise<Volume> {
  const created = await api.createVolume({
    name,
    sizeBytes,
    protocol: 'nbd',
    placement: { cardId: 'card-1', poolIds: ['pool-1'] },
  });
  await completed(api, created.change);
  return api.volume(created.volume.volumeId);
}

function uriOf(volume: Volume): string {
  if (volume.uri === null) throw new Error(`volume ${volume.volumeId} is not served`);
  return volume.uri;
}

async function completed(api: ApiClient, change: Change): Promise<Change> {
  const ended = await api.ended(change.changeId, DEADLINE_MS);
  if (ended.state !== 'settled')
    throw new Error(`change ${ended.changeId} is ${ended.state}: ${ended.problem?.detail ?? 'no reason'}`);
  return ended;
}

export const benches: Readonly<Record<string, Bench>> = {
  swap: swapOfOneGibibyte,
  qos: qosRequestToEcho,
  agent: agentReadyAndResident,
};
