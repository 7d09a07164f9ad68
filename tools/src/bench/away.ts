import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '../api/client.js';
import { until } from '../api/until.js';
import type { Cluster } from '../cluster/cluster.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { type DemoClient, protocolOf } from '../demo/changes.js';
import { type Attached, attach, requireClient } from '../demo/client.js';
import { BlockLedger } from '../load/block-ledger.js';
import { RunningLoad, fillVolume, readWholeVolume } from '../load/fio.js';
import { type Bench, type BenchSetting, completed } from './bench.js';
import { atMost, median } from './measurement.js';
import type { Measurement } from './measurement.js';

const MiB = 1024 ** 2;
const REPEATS = 5;
const WARM_UP_MS = 5_000;
const DEADLINE_MS = 60_000;
/** What is not heard at all: an I/O as long as this is a failure of its own. */
const UNNOTICED_MS = 1_000;
/** Beyond this, a remote leg that is away gives the guest an error (`reconnectDelaySeconds`). */
const LEG_WAIT_MS = 30_000;
/** A card sees at once that a data plane is gone; opening a stack takes some 0.3 s, and QEMU connects again once a second. */
const REBUILD_MS = 5_000;

const NATS_AWAY_MS = 10_000;
/** The client of a remote leg connects again once a second. */
const RECONNECTED_MS = 3_000;

interface Scene {
  readonly cluster: Cluster;
  readonly api: ApiClient;
  readonly volumeId: string;
  readonly client: Attached;
  readonly ledger: BlockLedger;
}

interface Fault {
  readonly name: string;
  /** A guest keeps its device for as long as it runs: what takes that away waits for it. */
  readonly cutsOff?: true;
  readonly reachMs: number;
  /** Puts the fault in. @returns how long I/O was away, in ms */
  readonly awayMs: (scene: Scene) => Promise<number>;
}

const daemonsOf = (cluster: Cluster, owner: string) => dataPlanesIn(join(cluster.folders.run, owner));

/** The longest I/O of a verified load while `fault` is put in and mended; a failed I/O or a wrong block is thrown. */
const underLoad =
  (fault: (scene: Scene) => Promise<void>) =>
  async (scene: Scene): Promise<number> => {
    const { client, ledger } = scene;
    const load = await RunningLoad.start(client.target);
    await delay(WARM_UP_MS);
    const atMs = Date.now();
    await fault(scene);
    const { ios, failedIo, wrongBlocks } = await load.stop(ledger);
    const full = await readWholeVolume(client.target);
    const bad = failedIo + wrongBlocks + full.failedIo + full.wrongBlocks;
    if (bad > 0) throw new Error(`${bad} I/Os failed or were wrong`);
    return Math.max(...ios.filter(({ endedAtMs }) => endedAtMs >= atMs).map(({ latencyMs }) => latencyMs));
  };

/** From the fault until an I/O of an idle client is through. */
const untilNextIo =
  (fault: (scene: Scene) => Promise<void>) =>
  async (scene: Scene): Promise<number> => {
    const atMs = performance.now();
    await fault(scene);
    await scene.client.oneIo();
    return performance.now() - atMs;
  };

async function move({ api, volumeId }: Scene, poolId: string): Promise<void> {
  await completed(api, (await api.changeVolume(volumeId, { placement: { poolIds: [poolId] } })).change);
}

/** Puts a fault into the copy of a swap to pool-4, and waits for the swap's end, whichever. */
async function duringSwap({ api, volumeId }: Scene, fault: () => Promise<void>): Promise<void> {
  const { change } = await api.changeVolume(volumeId, { placement: { poolIds: ['pool-4'] } });
  const { changeId } = change;
  await until('the copy is under way', DEADLINE_MS, async () => (await api.change(changeId)).progress !== null);
  await fault();
  await api.ended(changeId, DEADLINE_MS);
}

async function killedAndRestarted(cluster: Cluster, name: string): Promise<void> {
  await cluster.kill(name, 'SIGKILL');
  await cluster.restart(name);
}

const OTHER_FUNCTIONS = ['vf-14', 'vf-15'];

async function movedToOtherFunction({ api, volumeId }: Scene): Promise<void> {
  const { functionId: here } = await api.volume(volumeId);
  const functionId = OTHER_FUNCTIONS.find((other) => other !== here);
  await completed(api, (await api.attachVolume(volumeId, { functionId: String(functionId) })).change);
}

async function detachedAndAttached({ api, volumeId }: Scene): Promise<void> {
  await completed(api, (await api.detachVolume(volumeId)).change);
  await completed(api, (await api.attachVolume(volumeId)).change);
}

/** Each begins with the volume on pool-5. */
const faults: readonly Fault[] = [
  {
    name: 'the daemon of its remote leg killed',
    reachMs: LEG_WAIT_MS,
    awayMs: underLoad(async ({ cluster }) => {
      await killProcesses(daemonsOf(cluster, 'pool-5'));
      await until('the leg is served again', DEADLINE_MS, async () => daemonsOf(cluster, 'pool-5').length === 1);
      await delay(RECONNECTED_MS);
    }),
  },
  {
    name: "its remote leg's agent killed",
    reachMs: UNNOTICED_MS,
    awayMs: underLoad(({ cluster }) => killedAndRestarted(cluster, 'agent-pool-5')),
  },
  {
    name: 'the daemon of the new leg killed during a swap',
    reachMs: UNNOTICED_MS,
    awayMs: underLoad((scene) => duringSwap(scene, () => killProcesses(daemonsOf(scene.cluster, 'pool-4')))),
  },
  {
    name: "the card's agent killed during a swap",
    reachMs: UNNOTICED_MS,
    awayMs: underLoad((scene) => duringSwap(scene, () => killedAndRestarted(scene.cluster, 'agent-card-1'))),
  },
  {
    name: 'the scheduler killed during a swap',
    reachMs: UNNOTICED_MS,
    awayMs: underLoad((scene) => duringSwap(scene, () => killedAndRestarted(scene.cluster, 'scheduler'))),
  },
  {
    name: 'NATS away for 10 s',
    reachMs: UNNOTICED_MS,
    awayMs: underLoad(async ({ cluster }) => {
      await cluster.kill('nats', 'SIGKILL');
      await delay(NATS_AWAY_MS);
      await cluster.restart('nats');
    }),
  },
  {
    name: "the card's data plane killed, until the next I/O of an idle client",
    reachMs: REBUILD_MS,
    awayMs: untilNextIo(({ cluster }) => killProcesses(daemonsOf(cluster, 'card-1'))),
  },
  {
    name: 'the card rebooted, until the next I/O of an idle client',
    reachMs: REBUILD_MS,
    awayMs: untilNextIo(async ({ cluster }) => {
      await cluster.kill('agent-card-1', 'SIGKILL');
      await killProcesses(daemonsOf(cluster, 'card-1'));
      await cluster.restart('agent-card-1');
    }),
  },
  {
    name: 'moved to another function, until the next I/O of an idle client',
    cutsOff: true,
    reachMs: UNNOTICED_MS,
    awayMs: untilNextIo(movedToOtherFunction),
  },
  {
    name: 'detached and attached again, until the next I/O of an idle client',
    cutsOff: true,
    reachMs: REBUILD_MS,
    awayMs: untilNextIo(detachedAndAttached),
  },
];

/** For how long the I/O of a client was away after each fault, and after what takes its device away. */
export const awayFrom =
  (client: DemoClient): Bench =>
  async (setting) => {
    requireClient(client);
    const { cluster, folder } = setting;
    const api = new ApiClient(cluster.address);
    const placement = { cardId: 'card-1', poolIds: ['pool-5'] };
    const spec = { name: `bench-away-${client}`, sizeBytes: 128 * MiB, protocol: protocolOf(client), placement };
    const { volume, change } = await api.createVolume(spec);
    await completed(api, change);
    const attached = await attach(client, await api.volume(volume.volumeId), folder);
    try {
      const ledger = new BlockLedger(attached.target.sizeBytes);
      await fillVolume(attached.target, ledger);
      return await eachFault({ cluster, api, volumeId: volume.volumeId, client: attached, ledger }, client, setting);
    } finally {
      await attached.stop();
      await api.volumeWithin(volume.volumeId, DEADLINE_MS);
      await completed(api, (await api.deleteVolume(volume.volumeId)).change);
    }
  };

async function eachFault(scene: Scene, client: DemoClient, { say }: BenchSetting): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const { name, reachMs, awayMs } of faults.filter(({ cutsOff }) => client === 'nbd' || !cutsOff)) {
    const repeats: number[] = [];
    while (repeats.length < REPEATS) {
      repeats.push(await awayMs(scene));
      await scene.client.reset();
      await back(scene);
    }
    say(`  ${name}: ${repeats.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    measurements.push(atMost(`${client}: ${name}`, median(repeats), 'ms', reachMs));
  }
  return measurements;
}

/** What a fault left under way is over, and the volume where the next one expects it. */
async function back(scene: Scene): Promise<void> {
  const { api, volumeId } = scene;
  const isAtRest = async (): Promise<boolean> => (await api.volumeWithin(volumeId, DEADLINE_MS)).state === 'ready';
  await until('the volume is at rest', DEADLINE_MS, isAtRest);
  const [leg] = (await api.volume(volumeId)).legs;
  if (leg?.poolId !== 'pool-5') await move(scene, 'pool-5');
}
