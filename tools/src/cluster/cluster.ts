import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cardSnapshotSchema, divergenceSchema, poolSnapshotSchema } from '@flexbso/contracts';
import { makeIdentities, natsServerConfig, readUsers } from '@flexbso/messaging';
import type { Principal } from '@flexbso/messaging';
import { installedTools } from '@flexbso/testkit';
import { z } from 'zod';
import { until } from '../api/until.js';
import { ApiClient } from '../api/client.js';
import type { ApiAddress } from '../api/client.js';
import { readIfThere } from '../files/read-if-there.js';
import { stages, writeConfigurations } from './configurations.js';
import type { ConfiguredProcess, Settings } from './configurations.js';
import { mountCompressing, unmountCompressing } from './compressing-pools.js';
import type { Compressing } from './compressing-pools.js';
import { databaseKinds } from './database-kind.js';
import type { DatabaseKind } from './database-kind.js';
import { stopDataPlanes } from './data-planes.js';
import { clusterFolders } from './folders.js';
import type { ClusterFolders } from './folders.js';
import { choosePorts, isPortTaken } from './ports.js';
import type { ClusterPorts } from './ports.js';
import { POSTGRESQL, preparePostgresql } from './postgresql.js';
import { childrenOf, isRunning, signalProcess, startProcess, stopProcesses } from './processes.js';
import type { ProcessRecord } from './processes.js';
import { ready, START_POLL_MS } from './readiness.js';
import { standInTopology } from './topology.js';

const processRecord = z.object({ name: z.string(), pid: z.number(), startTicks: z.number() });
const portsRecord = z.object({
  nats: z.number(),
  gateway: z.number(),
  otlp: z.number(),
  inventoryHealth: z.number(),
  schedulerHealth: z.number(),
  telemetryHealth: z.number(),
  // Absent where an earlier version wrote it, which had no use for them.
  postgresql: z.number().default(0),
  secondInventoryHealth: z.number().default(0),
  secondSchedulerHealth: z.number().default(0),
  legs: z.record(z.string(), z.number()),
});
/** What is kept of a system: its database and ports for good, its processes while they run. */
const clusterRecord = z.object({
  v: z.literal(1),
  database: z.enum(databaseKinds).default('sqlite'),
  ports: portsRecord,
  processes: z.array(processRecord),
});
type ClusterRecord = z.infer<typeof clusterRecord>;
const clientRecord = z.object({ server: z.url(), token: z.string() });

/** Agents register themselves when they start, and ask a moment later: a minute is a hang. */
const REGISTERED_DEADLINE_MS = 60_000;

const noneCompressing: Compressing = { poolIds: [], isRequired: false };

export type Say = (line: string) => void;

/** A whole system on this machine: the bus, the services, the agents, and what these start. */
export class Cluster {
  readonly folders: ClusterFolders;
  readonly address: ApiAddress;
  readonly #record: ClusterRecord;
  readonly #plans: readonly ConfiguredProcess[];
  #processes: ProcessRecord[];

  private constructor(
    folders: ClusterFolders,
    record: ClusterRecord,
    address: ApiAddress,
    plans: readonly ConfiguredProcess[],
  ) {
    this.folders = folders;
    this.#record = record;
    this.address = address;
    this.#plans = plans;
    this.#processes = record.processes;
  }

  /** Starts a system from nothing: what an earlier one left in the folder is ended and removed first. */
  static async startFresh(options: {
    folder: string;
    database?: DatabaseKind;
    compressing?: Compressing;
    settings?: Settings;
    say: Say;
  }): Promise<Cluster> {
    const folders = clusterFolders(options.folder);
    await stopCluster(folders);
    await removeCluster(folders);
    try {
      return await Cluster.start({ database: 'sqlite', compressing: noneCompressing, ...options, gatewayPort: null });
    } catch (error) {
      // Nobody else has a handle to what started before the failure. The files stay: they say why.
      await stopCluster(folders);
      await unmountCompressing(folders);
      throw error;
    }
  }

  /**
   * Starts a system, or what of it does not run, with the state that is there. `gatewayPort`: where nothing of it runs
   * yet; null keeps the one that it had, or takes any. `database`: of a new system; null keeps the one that it had, or
   * takes SQLite. `compressing`: pools that are to lie on btrfs, unless they lie elsewhere already.
   */
  static async start(options: {
    folder: string;
    gatewayPort: number | null;
    database: DatabaseKind | null;
    compressing: Compressing;
    settings?: Settings;
    say: Say;
  }): Promise<Cluster> {
    const folders = clusterFolders(options.folder);
    await makeFolders(folders);
    const kept = await readRecord(folders);
    const database = databaseFor(kept, options.database, folders);
    const ports = await portsFor(kept, options.gatewayPort);
    const token = await keptToken(folders);
    const address = { server: `http://127.0.0.1:${ports.gateway}`, token };
    await writeClientFiles(folders, address);
    const principals = clusterPrincipals();
    await makeIdentities(folders.identities, principals);
    const natsFile = join(folders.configurations, 'nats.conf');
    await writeFile(
      natsFile,
      natsServerConfig({ port: ports.nats, storeDir: folders.nats, users: await readUsers(folders.identities) }),
      { mode: 0o600 },
    );
    const tools = installedTools();
    await mountCompressing(folders, options.compressing, tools, options.say);
    const server = { folders, port: ports.postgresql, bin: tools.postgresBin };
    const postgresql = database === 'postgresql' ? await preparePostgresql(server) : null;
    const { settings = {} } = options;
    const plans = await writeConfigurations({
      folders,
      ports,
      topology: standInTopology,
      tools,
      natsFile,
      postgresql,
      settings,
    });
    const processes = (kept?.processes ?? []).filter(isRunning);
    const cluster = new Cluster(folders, { v: 1, database, ports, processes }, address, plans);
    await cluster.#startMissing(options.say);
    return cluster;
  }

  /** Ends one process by name and waits until it is gone. SIGKILL: as by a crash. */
  async kill(name: string, signal: NodeJS.Signals): Promise<void> {
    const record = this.process(name);
    // PostgreSQL's end a moment after it, and it cannot be started again before. An agent's data planes outlive it.
    const children = name === POSTGRESQL ? childrenOf(record) : [];
    process.kill(record.pid, signal);
    await stopProcesses([record]);
    await stopProcesses(children);
    this.#processes = this.#processes.filter((other) => other !== record);
    await this.#keep();
  }

  /** Starts a process that was ended by `kill`, or has ended by itself. */
  async restart(name: string): Promise<void> {
    if (this.#processes.some((process) => process.name === name && isRunning(process)))
      throw new Error(`${name} runs: it is to be ended first`);
    const plan = this.#plans.find((candidate) => candidate.name === name);
    if (plan === undefined)
      throw new Error(`no process is called ${name}: there are ${this.#plans.map((known) => known.name).join(', ')}`);
    const record = await startProcess(plan);
    this.#processes = [...this.#processes.filter((other) => other.name !== name), record];
    await this.#keep();
    await ready(plan, record);
  }

  process(name: string): ProcessRecord {
    const record = this.#processes.find((candidate) => candidate.name === name);
    if (record === undefined) throw new Error(`${name} does not run`);
    return record;
  }

  /** What was started and not ended by `kill`; whether it runs still is to be looked at. */
  get processes(): readonly ProcessRecord[] {
    return this.#processes;
  }

  async stop(): Promise<void> {
    await stopCluster(this.folders);
    this.#processes = [];
  }

  removeFiles(): Promise<void> {
    return removeCluster(this.folders);
  }

  async #startMissing(say: Say): Promise<void> {
    for (const stage of stages) {
      const plans = this.#plans.filter((plan) => plan.stage === stage);
      const missing = plans.filter((plan) => !this.#processes.some((process) => process.name === plan.name));
      if (missing.length > 0) say(`starting ${missing.map((plan) => plan.name).join(', ')}`);
      for (const plan of missing) {
        this.#processes.push(await startProcess(plan));
        await this.#keep();
      }
      await Promise.all(plans.map((plan) => ready(plan, this.process(plan.name))));
    }
    await this.#allRegistered(say);
    await this.#allHeard(say);
  }

  async #allRegistered(say: Say): Promise<void> {
    const api = new ApiClient(this.address);
    const { cards, pools } = standInTopology;
    say(`waiting for ${cards.length} cards and ${pools.length} pools to register themselves`);
    const areReady = async (): Promise<boolean> => {
      const [seenCards, seenPools] = await Promise.all([
        api.get('/v1/cards', z.object({ items: z.array(cardSnapshotSchema) })),
        api.get('/v1/pools', z.object({ items: z.array(poolSnapshotSchema) })),
      ]);
      const readyOnes = [...seenCards.items, ...seenPools.items].filter((seen) => seen.state === 'ready');
      return readyOnes.length === cards.length + pools.length;
    };
    await until('every card and pool is registered', REGISTERED_DEADLINE_MS, areReady, START_POLL_MS);
  }

  /** The scheduler places nothing on who has not said yet which life of its database it follows. */
  async #allHeard(say: Say): Promise<void> {
    const api = new ApiClient(this.address);
    const all = standInTopology.cards.length + standInTopology.pools.length;
    let estranged = 0;
    const areHeard = async (): Promise<boolean> => {
      const { following, unheard, agents } = await api.get('/v1/differences', divergenceSchema);
      // One that follows another life stays so until an operator has settled what differs.
      estranged = agents.filter(({ failure }) => failure === null).length;
      return unheard.length === 0 && following + estranged === all;
    };
    const condition = 'every card and pool has said which life of the database it follows';
    await until(condition, REGISTERED_DEADLINE_MS, areHeard, START_POLL_MS);
    if (estranged > 0)
      say(`${estranged} of ${all} cards and pools follow another life of the database: docs/runbooks/diverged.md`);
  }

  async #keep(): Promise<void> {
    const record: ClusterRecord = { ...this.#record, processes: this.#processes };
    await writeFile(this.folders.recordFile, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  }
}

/** Ends every process of a system: agents first, so that none rebuilds what is being ended, what services rest on last. */
export async function stopCluster(folders: ClusterFolders): Promise<boolean> {
  const record = await readRecord(folders);
  if (record === null) return false;
  const running = record.processes.filter(isRunning);
  await stopProcesses(running.filter((process) => process.name.startsWith('agent-')));
  // Those of cards first: one whose leg is served no more waits for it, and would be killed at the deadline.
  await Promise.all(standInTopology.cards.map(({ cardId }) => stopDataPlanes(join(folders.run, cardId))));
  await stopDataPlanes(folders.run);
  await unmountCompressing(folders);
  const base = running.filter(({ name }) => name === 'nats' || name === POSTGRESQL);
  await stopProcesses(running.filter((process) => !base.includes(process)));
  // PostgreSQL's fast shutdown: on SIGTERM alone it would wait for whoever looks in by hand.
  for (const process of base.filter(({ name }) => name === POSTGRESQL)) signalProcess(process, 'SIGINT');
  await stopProcesses(base);
  await writeFile(folders.recordFile, `${JSON.stringify({ ...record, processes: [] }, null, 2)}\n`, { mode: 0o600 });
  await rm(folders.run, { recursive: true, force: true });
  return running.length > 0;
}

async function removeCluster(folders: ClusterFolders): Promise<void> {
  await unmountCompressing(folders);
  await rm(folders.root, { recursive: true, force: true });
  await rm(folders.run, { recursive: true, force: true });
}

/** Data planes run as another user and pass through to the files of pools and to their sockets; nobody else looks in anywhere. */
async function makeFolders(folders: ClusterFolders): Promise<void> {
  for (const folder of [folders.root, folders.pools, folders.run])
    await mkdir(folder, { recursive: true, mode: 0o711 });
  const closed = [
    folders.identities,
    folders.configurations,
    folders.logs,
    folders.databases,
    folders.nats,
    folders.agents,
  ];
  for (const folder of closed) await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** @throws where another is asked for than the system has: nothing would be carried over. */
function databaseFor(kept: ClusterRecord | null, asked: DatabaseKind | null, folders: ClusterFolders): DatabaseKind {
  if (kept === null || asked === null || asked === kept.database) return asked ?? kept?.database ?? 'sqlite';
  throw new Error(
    `the system in ${folders.root} keeps its state in ${kept.database}, and cannot be moved to ${asked}: stop it and remove that folder for a new one`,
  );
}

/** A running system keeps its ports. One that starts anew keeps those that others know: the gateway's and the legs'. */
async function portsFor(kept: ClusterRecord | null, gatewayPort: number | null): Promise<ClusterPorts> {
  if (kept?.processes.some(isRunning)) return kept.ports;
  const gateway = gatewayPort ?? kept?.ports.gateway ?? null;
  if (gateway !== null && (await isPortTaken(gateway)))
    throw new Error(
      `port ${gateway} is taken by another program: FLEXBSO_PORT=PORT npm start takes another for the gateway`,
    );
  const chosen = await choosePorts(networkPoolIds(), gateway);
  return kept === null ? chosen : { ...chosen, legs: kept.ports.legs };
}

async function readRecord(folders: ClusterFolders): Promise<ClusterRecord | null> {
  const text = await readIfThere(folders.recordFile);
  return text === null ? null : clusterRecord.parse(JSON.parse(text));
}

/** The token of the first start is kept, so that a restart does not lock its user out. */
async function keptToken(folders: ClusterFolders): Promise<string> {
  const text = await readIfThere(folders.clientFile);
  return text === null ? `fbso_${randomBytes(24).toString('base64url')}` : clientRecord.parse(JSON.parse(text)).token;
}

async function writeClientFiles(folders: ClusterFolders, address: ApiAddress): Promise<void> {
  await writeFile(folders.clientFile, `${JSON.stringify(address, null, 2)}\n`, { mode: 0o600 });
  const tokens = [
    {
      name: 'first',
      tokenSha256: createHash('sha256').update(address.token).digest('hex'),
      role: 'admin',
      tenantId: null,
      expiresAtMs: null,
    },
  ];
  await writeFile(join(folders.configurations, 'tokens.json'), `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 });
}

const networkPoolIds = (): string[] =>
  standInTopology.pools.filter((pool) => pool.reach === 'network').map((pool) => pool.poolId);

function clusterPrincipals(): Principal[] {
  return [
    ...(['inventory', 'scheduler', 'telemetry', 'gateway'] as const).map((name) => ({
      kind: 'service' as const,
      name,
    })),
    ...standInTopology.cards.map(({ cardId }) => ({ kind: 'card' as const, id: cardId })),
    ...standInTopology.pools.map(({ poolId }) => ({ kind: 'pool' as const, id: poolId })),
  ];
}
