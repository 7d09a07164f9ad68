import { ProblemError } from '@flexbso/contracts';
import {
  type Bus,
  backoffMs,
  type BusStatus,
  connectService,
  foreignReply,
  NatsRpcServer,
  publishEvent,
} from '@flexbso/messaging';
import { logger, startHealthServer } from '@flexbso/observability';
import { NestLogger } from '@flexbso/observability/nest';
import {
  databaseOptions,
  type Database,
  openDatabase,
  OutboxRelay,
  persistenceEntities,
  persistenceMigrations,
  readinessOf,
  type DatabaseLease,
  type ServiceStanding,
  takeStandingLease,
} from '@flexbso/persistence';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { AgentRow } from './persistence/agent-entity.js';
import { DatabaseAgentStore } from './persistence/database-agent-store.js';
import { AgentsTable, QuarantineReasons } from './persistence/agents-migration.js';
import { Fleet } from './agents/fleet.js';
import type { InventoryConfig } from './config.js';
import { measureInventory } from './inventory-metrics.js';
import { InventoryModule } from './inventory-module.js';
import { LeaseWatch } from './leases/lease-watch.js';
import { LeaseTerms } from './rpc/agents-controller.js';
import { openBuckets, type Permission } from './snapshots/bus-buckets.js';
import { SnapshotPublisher } from './snapshots/snapshot-publisher.js';
import { SnapshotRepair } from './snapshots/snapshot-repair.js';

const log = logger('inventory');

/** An inventory that runs. */
export interface RunningInventory {
  /** Where `/healthz`, `/readyz` and `/metrics` answer. */
  readonly healthUrl: string;
  /** Hears no more, finishes what it has begun, publishes what it has committed, and closes everything. */
  stop(): Promise<void>;
}

/** The relay tries again with the same message id, and stopping waits for no more than one attempt. */
const publishTimeoutMs = 5_000;
/** Retries of what the bus does not take: quick for a lost leader, at most every five seconds for a lost bus. */
const publishRetry = { firstMs: 100, maxMs: 5_000 };

export interface StartOptions {
  /**
   * Another inventory may have taken over. Nothing more is written, published or answered; the process is to end at
   * once, and not to stop in order: what it would finish is another's.
   */
  readonly onLeaseLost?: (reason: string) => void;
}

/**
 * Starts inventory: database, bus, the lease, fleet in memory, then the handlers; in this order, so that nobody is
 * answered from a fleet that is not loaded, or that another inventory still changes. While another holds the lease
 * this waits as a standby.
 * @param prometheusText of the process's observability
 */
export async function startInventory(
  config: InventoryConfig,
  prometheusText: () => Promise<string>,
  options: StartOptions = {},
): Promise<RunningInventory> {
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    // What was started last rests on what was started before it; what cannot be closed must not keep the rest open.
    for (const close of started.splice(0).toReversed()) await close().catch(logFailed('a part did not close'));
  };
  try {
    const healthUrl = await start({ ...config, ...options }, prometheusText, (close) => started.push(close));
    return { healthUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  config: InventoryConfig & StartOptions,
  prometheusText: () => Promise<string>,
  atStop: (close: () => Promise<void>) => void,
): Promise<string> {
  const state: ServiceStanding = { isConnected: false, role: null, isDoubtful: false };
  const health = await startHealthServer({ ...config.health, prometheusText, ready: () => readinessOf(state) });
  atStop(() => health.stop());
  const database = await openOwnDatabase(config.databaseUrl);
  atStop(() => database.destroy());
  const leases: LeaseWatch = new LeaseWatch({
    ...config,
    monotonicMs: () => performance.now(),
    onExpired: (agent) => void judge(fleet, leases, agent),
    onHeld: (agents) => log.error('verdicts on silent agents are held', { agents, holdMs: config.massSilence.holdMs }),
  });
  const bus = await connect(config, state, leases);
  atStop(() => bus.close());
  const lease = await takeStandingLease(database, {
    service: 'inventory',
    standing: state,
    log,
    // What is dropped meanwhile must not look like the agents' silence.
    onTrust: (isHeld) => (isHeld ? leases.hears('lease') : leases.deaf('lease')),
    onLost: config.onLeaseLost,
  });
  atStop(() => lease.release());
  const requireLeaseAndBus = () => {
    lease.requireHeld();
    if (!state.isConnected)
      throw new ProblemError({ code: 'unavailable', detail: 'the connection to the bus is lost' });
  };
  const relay = relayOver(database, bus, requireLeaseAndBus);
  const fleet: Fleet = new Fleet({
    store: new DatabaseAgentStore(database, lease.fence),
    nowMs: Date.now,
    onChanged: (record) => {
      publisher.changed(record);
      relay.wake();
    },
    onHeard: (agent) => leases.heard(agent),
  });
  const publisher: SnapshotPublisher = await publisherOver(bus, fleet, {
    require: requireLeaseAndBus,
    confirm: () => lease.confirm(),
  });
  for (const agent of await fleet.load()) leases.heard(agent);
  const repair = new SnapshotRepair(publisher, { everyMs: config.repairMs, graceMs: 2 * config.leaseMs });
  for (const part of [relay, publisher, repair]) {
    part.start();
    atStop(() => part.stop());
  }
  atStop(() => fleet.idle());
  const app = await hear(bus, fleet, config, { leases, publisher, lease });
  atStop(() => app.close());
  leases.start();
  atStop(async () => leases.stop());
  state.role = 'active';
  atStop(async () => void (state.role = null));
  return health.url;
}

function connect(config: InventoryConfig, state: ServiceStanding, leases: LeaseWatch): Promise<Bus> {
  return connectService({
    onRetry: (what, error) => log.warn('NATS is not ready for the start yet', { what, error }),
    servers: config.nats.servers,
    principal: { kind: 'service', name: 'inventory' },
    credentials: { seedFile: config.nats.seedFile },
    onStatus: (status) => {
      if (status.type === 'connected' || status.type === 'disconnected')
        state.isConnected = status.type === 'connected';
      followBus(status, leases);
    },
  });
}

function openOwnDatabase(url: string): Promise<Database> {
  const contents = {
    entities: [...persistenceEntities, AgentRow],
    migrations: [...persistenceMigrations, AgentsTable, QuarantineReasons],
    schema: 'inventory',
  };
  return openDatabase(databaseOptions(url, contents));
}

async function hear(
  bus: Bus,
  fleet: Fleet,
  config: InventoryConfig,
  parts: { leases: LeaseWatch; publisher: SnapshotPublisher; lease: DatabaseLease },
) {
  const strategy = new NatsRpcServer({
    bus,
    isServing: () => parts.lease.isHeld,
    onQuarantine: ({ role, id, replySubject }) => {
      log.warn('agent quarantined', { role, id, replySubject });
      // An agent that never registered has no standing to lose; it was not answered either.
      if (fleet.find({ role, id }))
        fleet
          .quarantine({ role, id }, foreignReply(replySubject), 'inventory')
          .catch(logFailed('quarantine was not written'));
    },
    onInvalid: (subject, problem) => log.warn('message fits no schema', { subject, problem }),
    onError: (failure) => log.error('handler failed', { ...failure }),
  });
  measureInventory({
    agents: () => fleet.all(),
    heldVerdicts: () => parts.leases.held,
    waitingSnapshots: () => parts.publisher.waiting,
    messages: () => strategy.stats,
  });
  const module = InventoryModule.over(fleet, new LeaseTerms(config.leaseMs, config.heartbeatMs));
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, { strategy, logger: new NestLogger() });
  await app.listen();
  return app;
}

async function judge(fleet: Fleet, leases: LeaseWatch, agent: string): Promise<void> {
  try {
    if (await fleet.silent(agent, () => leases.isHeard(agent))) log.warn('agent unreachable', { agent });
  } catch (error) {
    log.error('verdict was not written', { agent, error });
    // Its lease starts anew, so that the verdict comes again.
    leases.heard(agent);
  }
}

/** @param require throws without the lease, and while the bus is away: nothing waits for a deadline then, least of all stopping. */
function relayOver(database: Database, bus: Bus, require: () => void): OutboxRelay {
  return new OutboxRelay(
    database,
    async (subject, payload, headers, messageId) => {
      require();
      await publishEvent(bus, subject, payload, { headers, messageId, timeoutMs: publishTimeoutMs });
    },
    { onStatus: (status) => status.kind === 'failed' && log.warn('events wait to be published', { ...status }) },
  );
}

async function publisherOver(bus: Bus, fleet: Fleet, permission: Permission): Promise<SnapshotPublisher> {
  return new SnapshotPublisher({
    ...(await openBuckets(bus, permission)),
    find: (name) => fleet.find(name),
    all: () => fleet.all(),
    backoffMs: (failures) => backoffMs(failures - 1, publishRetry),
    onFailed: (error, waiting) => log.warn('snapshots wait to be published', { error, waiting }),
    onRepaired: (published, removed) => log.warn('snapshots differed from the database', { published, removed }),
  });
}

function followBus(status: BusStatus, leases: LeaseWatch): void {
  if (status.type === 'disconnected') leases.deaf('bus');
  if (status.type === 'connected') leases.hears('bus');
  const expected = status.type === 'connected' || (status.type === 'closed' && status.error === null);
  log[expected ? 'info' : 'warn']('bus status', { ...status });
}

function logFailed(what: string) {
  return (error: unknown) => log.error(what, { error });
}
