import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cardSnapshotSchema, poolSnapshotSchema, volumeSchema } from '@flexbso/contracts';
import type { CardSnapshot, Change, PoolSnapshot, Volume } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { z } from 'zod';
import { until } from '../../api/until.js';
import { ApiClient } from '../../api/client.js';
import { Cluster } from '../../cluster/cluster.js';
import type { Compressing } from '../../cluster/compressing-pools.js';
import type { Settings } from '../../cluster/configurations.js';
import type { DatabaseKind } from '../../cluster/database-kind.js';
import { workspaceFolder } from '../../cluster/folders.js';
import type { BlockLedger } from '../../load/block-ledger.js';
import { RunningLoad } from '../../load/fio.js';
import type { LoadResult } from '../../load/fio.js';
import { NbdTarget } from '../../load/nbd-target.js';
import type { LoadTarget } from '../../load/target.js';
import { checkWholeVolume } from '../../load/volume-image.js';

export const MiB = 1024 ** 2;
/** For one thing that takes a second or two: more is a hang, however busy the machine. */
export const DEADLINE_MS = 60_000;
/** For a hook that starts or ends a system: seconds, and the deadlines within are shorter. */
export const START_OR_END_MS = 120_000;

const tools = installedTools();
const run = promisify(execFile);
const quiet = (): void => undefined;
const legPortsSchema = z.looseObject({
  dataPlane: z.looseObject({ listen: z.strictObject({ host: z.string(), firstPort: z.int(), lastPort: z.int() }) }),
});
const healthSchema = z.looseObject({ health: z.strictObject({ host: z.string(), port: z.int() }) });

/** One whole system for the specs of one file, used from outside: over HTTP, by the command, by its volumes' addresses. */
export class System {
  readonly #settings: Settings;
  #root = '';
  #cluster: Cluster | null = null;
  #compressing: Compressing = { poolIds: [], isRequired: true };

  constructor(settings: Settings = {}) {
    this.#settings = settings;
  }

  /** `compressing`: pools on btrfs; fails where this machine lets us mount none. */
  async start(database: DatabaseKind = 'sqlite', compressing: readonly string[] = []): Promise<void> {
    this.#compressing = { poolIds: compressing, isRequired: true };
    this.#root = await mkdtemp(join(tmpdir(), 'flexbso-e2e-'));
    // A database server runs as another user when this is root, and passes through to its own folder.
    if (database === 'postgresql') await chmod(this.#root, 0o711);
    this.#cluster = await Cluster.startFresh({
      folder: this.#root,
      database,
      compressing: this.#compressing,
      settings: this.#settings,
      say: quiet,
    });
  }

  /** Starts what was stopped, on the state that is there. */
  async startAgain(): Promise<void> {
    this.#cluster = await Cluster.start({
      folder: this.#root,
      gatewayPort: null,
      database: null,
      compressing: this.#compressing,
      settings: this.#settings,
      say: quiet,
    });
  }

  /** Ends every process and removes every file. The files of a system that did not start stay: they say why. */
  async end(): Promise<void> {
    await this.#cluster?.stop();
    await this.#cluster?.removeFiles();
  }

  get cluster(): Cluster {
    if (this.#cluster === null) throw new Error('the system was not started');
    return this.#cluster;
  }

  get api(): ApiClient {
    return new ApiClient(this.cluster.address);
  }

  async cards(): Promise<CardSnapshot[]> {
    return (await this.api.get('/v1/cards', z.object({ items: z.array(cardSnapshotSchema) }))).items;
  }

  async pools(): Promise<PoolSnapshot[]> {
    return (await this.api.get('/v1/pools', z.object({ items: z.array(poolSnapshotSchema) }))).items;
  }

  async volumes(): Promise<Volume[]> {
    return (await this.api.get('/v1/volumes', z.object({ items: z.array(volumeSchema) }))).items;
  }

  /** Waits for a change; throws, with its problem, when it ends in any other way than settled. */
  async settled({ changeId }: Change): Promise<Change> {
    const ended = await this.api.ended(changeId, DEADLINE_MS);
    if (ended.state !== 'settled') throw new Error(`${changeId} is ${ended.state}: ${JSON.stringify(ended.problem)}`);
    return ended;
  }

  /** Creates a volume of 64 MiB on card-1 and pool-1, or as `more` says, and waits until it is there. */
  async create(name: string, more: Record<string, unknown> = {}): Promise<Volume> {
    const placement = { cardId: 'card-1', poolIds: ['pool-1'] };
    const spec = { name, sizeBytes: 64 * MiB, protocol: 'nbd', placement, ...more };
    const { volume, change } = await this.api.createVolume(spec);
    await this.settled(change);
    return this.api.volume(volume.volumeId);
  }

  /** Moves a volume's leg to another pool and waits until it is there alone. */
  async move({ volumeId }: Volume, poolId: string): Promise<Change> {
    return this.settled((await this.api.changeVolume(volumeId, { placement: { poolIds: [poolId] } })).change);
  }

  async remove({ volumeId }: Volume): Promise<Change> {
    return this.settled((await this.api.deleteVolume(volumeId)).change);
  }

  /** A write as it is, for what the client never sends. */
  write(
    method: string,
    path: string,
    { key, body, ifMatch }: { readonly key: string; readonly body: string; readonly ifMatch?: string },
  ): Promise<Response> {
    const { server, token } = this.cluster.address;
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    };
    if (ifMatch !== undefined) headers['if-match'] = ifMatch;
    return fetch(`${server}${path}`, { method, headers, body, signal: AbortSignal.timeout(DEADLINE_MS) });
  }

  targetOf(volume: Volume): LoadTarget {
    if (volume.uri === null) throw new Error(`${volume.volumeId} has no address`);
    const folder = join(this.#root, `load-${volume.name}`);
    const { sizeBytes, uri } = volume;
    return new NbdTarget({ fioPath: tools.fio, qemuImgPath: tools.qemuImg, uri, sizeBytes, folder });
  }

  /** Does something while a verified load runs on a volume; the load ends also when that fails. */
  async underLoad(volume: Volume, ledger: BlockLedger, act: () => Promise<unknown>): Promise<LoadResult> {
    const load = await RunningLoad.start(this.targetOf(volume));
    let result: LoadResult;
    try {
      await until('the load has begun', DEADLINE_MS, () => load.hasBegun());
      await act();
    } finally {
      result = await load.stop(ledger);
    }
    return result;
  }

  /** Compares every block of a volume with what was last written there, past everything that served the load. */
  wrongBlocks(volume: Volume, ledger: BlockLedger): ReturnType<typeof checkWholeVolume> {
    return checkWholeVolume(this.targetOf(volume), ledger);
  }

  /** Whether the volume's address answers, not only whether something listens there. */
  async isServed({ uri }: Volume): Promise<boolean> {
    const [answer] = await Promise.allSettled([run(tools.qemuImg, ['info', uri ?? ''])]);
    return answer.status === 'fulfilled';
  }

  /** Which process of inventory or scheduler is the active one; null at moments when none is. */
  async activeOf(service: 'inventory' | 'scheduler'): Promise<string | null> {
    const names = this.cluster.processes.map(({ name }) => name).filter((name) => name.replace('-2', '') === service);
    for (const name of names) if (await this.#isActive(name)) return name;
    return null;
  }

  async #isActive(name: string): Promise<boolean> {
    const file = join(this.cluster.folders.configurations, `${name}.json`);
    const { health } = healthSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const [response] = await Promise.allSettled([fetch(`http://${health.host}:${health.port}/readyz`)]);
    return response.status === 'fulfilled' && (await response.value.text()).includes('"role":"active"');
  }

  /** The ports on which a pool now serves legs. */
  async legPortsOf(poolId: string): Promise<number[]> {
    const file = join(this.cluster.folders.configurations, `agent-${poolId}.json`);
    const { listen } = legPortsSchema.parse(JSON.parse(await readFile(file, 'utf8'))).dataPlane;
    const { stdout } = await run('ss', ['-Htln', 'src', listen.host]);
    const ports = stdout.split('\n').map((line) => Number(/:(\d+)\s/.exec(line)?.[1] ?? Number.NaN));
    return ports.filter((port) => port >= listen.firstPort && port <= listen.lastPort);
  }

  /** The command as a user starts it. */
  async flexbso(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const { server, token } = this.cluster.address;
    const environment = { ...process.env, FLEXBSO_SERVER: server, FLEXBSO_TOKEN: token };
    const program = join(workspaceFolder, 'apps/cli/bin/flexbso.js');
    try {
      const options = { env: environment, timeout: DEADLINE_MS };
      const { stdout, stderr } = await run(process.execPath, [program, ...words], options);
      return { status: 0, stdout, stderr };
    } catch (error) {
      const failed = z.looseObject({ code: z.number(), stdout: z.string(), stderr: z.string() }).parse(error);
      return { status: failed.code, stdout: failed.stdout, stderr: failed.stderr };
    }
  }
}
