import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstalledTools } from '@flexbso/testkit';
import { dataPlaneUserFor } from './data-planes.js';
import { workspaceFolder } from './folders.js';
import type { ClusterFolders } from './folders.js';
import { LEG_PORTS_PER_POOL } from './ports.js';
import type { ClusterPorts } from './ports.js';
import type { DatabaseService, Postgresql } from './postgresql.js';
import type { ProcessPlan } from './processes.js';
import type { CardPlan, PoolPlan, Topology } from './topology.js';

/** In this order, each when the one before is ready. `base`: what the services rest on. */
export const stages = ['base', 'service', 'standby', 'agent'] as const;
type Stage = (typeof stages)[number];

/** A process with everything that starting it takes; its configuration is on disk. */
export interface ConfiguredProcess extends ProcessPlan {
  readonly stage: Stage;
  /** How it tells that it is ready: it answers, or its log holds a line that says so and names its pid. */
  readonly readiness:
    | { readonly kind: 'http'; readonly url: string; readonly mayStandBy: boolean }
    | { readonly kind: 'command'; readonly command: string; readonly arguments: readonly string[] }
    | { readonly kind: 'tcp'; readonly port: number }
    | { readonly kind: 'log' };
}

/** Fields of configurations that a system is to have beside, or instead of, what the stand-in has. */
export interface Settings {
  readonly inventory?: object;
  readonly scheduler?: object;
  /** Of every card's data plane. */
  readonly cardDataPlane?: object;
}

export interface ConfigurationInput {
  readonly folders: ClusterFolders;
  readonly ports: ClusterPorts;
  readonly topology: Topology;
  readonly tools: InstalledTools;
  readonly natsFile: string;
  /** What the services keep their state in; null: an SQLite file each, and no standbys. */
  readonly postgresql: Postgresql | null;
  readonly settings: Settings;
}

const GiB = 1024 ** 3;
/** Budgets of a stand-in: what a small machine can back, and enough for what one tries out on it. */
const STAND_IN_CARD_BUDGET = { iops: 200_000, bytesPerSecond: 2 * GiB, memoryBytes: 4 * GiB, armCentiCores: 800 };
const STAND_IN_POOL_BUDGET = { capacityBytes: 32 * GiB, iops: 200_000, bytesPerSecond: 2 * GiB };
const FUNCTIONS_PER_CARD = 16;

/** Writes the configuration of every process of a system and says how each is started, in order. */
export async function writeConfigurations(input: ConfigurationInput): Promise<ConfiguredProcess[]> {
  const { folders, ports, tools, topology, natsFile, postgresql } = input;
  const nats: ConfiguredProcess = {
    name: 'nats',
    stage: 'base',
    command: tools.natsServer,
    arguments: ['--config', natsFile],
    environment: {},
    logFile: join(folders.logs, 'nats.log'),
    readiness: { kind: 'tcp', port: ports.nats },
  };
  const services = serviceConfigurations(input).map(({ name, service, configuration, readyUrl }) => {
    const program = join('apps', service ?? name, 'dist', 'main.js');
    const stage = service === undefined ? 'service' : 'standby';
    return nodeProcess(input, name, stage, program, configuration, readyUrl);
  });
  const bundle = join('apps', 'agent', 'dist', 'bundle', 'agent.mjs');
  const agents = [
    ...topology.cards.map((card) => ({ id: card.cardId, configuration: cardConfiguration(input, card) })),
    ...topology.pools.map((pool) => ({ id: pool.poolId, configuration: poolConfiguration(input, pool) })),
  ].map(({ id, configuration }) => nodeProcess(input, `agent-${id}`, 'agent', bundle, configuration, null));
  const base = postgresql === null ? [nats] : [nats, postgresql.process];
  return [...base, ...(await Promise.all([...services, ...agents]))];
}

async function nodeProcess(
  { folders, ports, postgresql }: ConfigurationInput,
  name: string,
  stage: Stage,
  program: string,
  configuration: object,
  readyUrl: string | null,
): Promise<ConfiguredProcess> {
  const file = join(folders.configurations, `${name}.json`);
  await writeFile(file, `${JSON.stringify(configuration, null, 2)}\n`, { mode: 0o600 });
  return {
    name,
    stage,
    command: process.execPath,
    arguments: ['--enable-source-maps', join(workspaceFolder, program), '--config', file],
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.otlp}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      NODE_COMPILE_CACHE: join(workspaceFolder, '.cache', 'compiled'),
    },
    logFile: join(folders.logs, `${name}.log`),
    readiness: readyUrl === null ? { kind: 'log' } : { kind: 'http', url: readyUrl, mayStandBy: postgresql !== null },
  };
}

const local = (port: number) => ({ host: '127.0.0.1', port });
const readyAt = (port: number): string => `http://127.0.0.1:${port}/readyz`;

interface ServicePlan {
  readonly name: string;
  /** Whose second process it is: the one that stands by at first. */
  readonly service?: DatabaseService;
  readonly configuration: object;
  readonly readyUrl: string;
}

function serviceConfigurations(input: ConfigurationInput): ServicePlan[] {
  const { folders, ports, postgresql, settings } = input;
  const inventory = (healthPort: number) => ({
    configuration: { ...kept(input, 'inventory', healthPort), ...settings.inventory },
    readyUrl: readyAt(healthPort),
  });
  const keyFile = join(folders.identities, 'volume-keys.key');
  const scheduler = (healthPort: number) => ({
    configuration: { ...kept(input, 'scheduler', healthPort), keyFile, ...settings.scheduler },
    readyUrl: readyAt(healthPort),
  });
  const standbys: ServicePlan[] = [
    { name: 'inventory-2', service: 'inventory', ...inventory(ports.secondInventoryHealth) },
    { name: 'scheduler-2', service: 'scheduler', ...scheduler(ports.secondSchedulerHealth) },
  ];
  return [
    {
      name: 'telemetry',
      configuration: { ...kept(input, 'telemetry', ports.telemetryHealth), otlp: local(ports.otlp) },
      readyUrl: readyAt(ports.telemetryHealth),
    },
    { name: 'inventory', ...inventory(ports.inventoryHealth) },
    { name: 'scheduler', ...scheduler(ports.schedulerHealth) },
    ...(postgresql === null ? [] : standbys),
    {
      name: 'gateway',
      configuration: {
        nats: busOf(input, 'gateway'),
        listen: local(ports.gateway),
        tokensFile: join(folders.configurations, 'tokens.json'),
      },
      readyUrl: readyAt(ports.gateway),
    },
  ];
}

const busOf = ({ folders, ports }: ConfigurationInput, service: string) => ({
  servers: [`127.0.0.1:${ports.nats}`],
  seedFile: join(folders.identities, `service-${service}.seed`),
});

function kept(input: ConfigurationInput, service: DatabaseService, healthPort: number) {
  const { folders, postgresql } = input;
  return {
    nats: busOf(input, service),
    databaseUrl: postgresql?.urlOf(service) ?? `sqlite://${join(folders.databases, `${service}.db`)}`,
    health: local(healthPort),
  };
}

function agentCommon(
  { folders, ports }: ConfigurationInput,
  role: 'card' | 'pool',
  id: string,
  place: CardPlan | PoolPlan,
) {
  return {
    role,
    id,
    serial: `stand-in-${id}`,
    hostId: place.hostId,
    model: role === 'card' ? 'stand-in card' : 'stand-in pool',
    failureDomain: { host: place.hostId, rack: place.rack },
    nats: { servers: [`127.0.0.1:${ports.nats}`], seedFile: join(folders.identities, `${role}-${id}.seed`) },
    sealingSeedFile: join(folders.agents, id, 'sealing.seed'),
    stateDirectory: join(folders.agents, id),
  };
}

function launch({ folders, tools }: ConfigurationInput, id: string) {
  return {
    driver: 'qsd',
    qemuStorageDaemonPath: tools.qemuStorageDaemon,
    setprivPath: tools.setpriv,
    runDirectory: join(folders.run, id),
    dataPlaneUser: dataPlaneUserFor(folders.pools),
  };
}

function cardConfiguration(input: ConfigurationInput, card: CardPlan): object {
  return {
    ...agentCommon(input, 'card', card.cardId, card),
    dataPlane: {
      ...launch(input, card.cardId),
      functions: Array.from({ length: FUNCTIONS_PER_CARD }, (_, index) => ({
        functionId: `vf-${index}`,
        kind: 'vf',
        protocols: ['nbd', 'virtio-blk'],
      })),
      budget: STAND_IN_CARD_BUDGET,
      ...input.settings.cardDataPlane,
    },
  };
}

function poolConfiguration(input: ConfigurationInput, pool: PoolPlan): object {
  const firstPort = input.ports.legs[pool.poolId];
  return {
    ...agentCommon(input, 'pool', pool.poolId, pool),
    dataPlane: {
      ...launch(input, pool.poolId),
      directory: join(input.folders.pools, pool.poolId),
      reach: pool.reach,
      btrfsPath: input.tools.btrfs,
      budget: STAND_IN_POOL_BUDGET,
      listen:
        firstPort === undefined ? null : { host: '127.0.0.1', firstPort, lastPort: firstPort + LEG_PORTS_PER_POOL - 1 },
    },
  };
}
