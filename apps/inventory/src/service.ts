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
  readinessOf,
  type DatabaseLease,
  type ServiceStanding,
  takeStandingLease,
} from '@flexbso/persistence';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { INestMicroservice } from '@nestjs/common';
import { DatabaseAgentStore, inventoryDatabase } from './persistence/database-agent-store.js';
import type { InventoryConfig } from './config.js';
import { measureInventory } from './inventory-metrics.js';
import { InventoryModule } from './inventory-module.js';
import { Inventory } from './inventory.js';
import type { DeafReason } from './leases/lease-watch.js';
import { systemClock } from './ports.js';
import { openBuckets } from './snapshots/bus-buckets.js';
import type { Permission } from './snapshots/fenced-bucket.js';

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
const publishBackoffMs = (failures: number) => backoffMs(failures - 1, publishRetry);

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
  const database = await openDatabase(databaseOptions(config.databaseUrl, inventoryDatabase));
  atStop(() => database.destroy());
  let inventory: Inventory | null = null;
  // What is dropped meanwhile must not look like the agents' silence.
  const onHearing: OnHearing = (reason, isHeard) => {
    if (isHeard) inventory?.hears(reason);
    else inventory?.deaf(reason);
  };
  const bus = await connect(config, state, onHearing);
  atStop(() => bus.close());
  const lease = await takeStandingLease(database, {
    service: 'inventory',
    standing: state,
    log,
    onTrust: (isHeld) => onHearing('lease', isHeld),
    onLost: config.onLeaseLost,
  });
  atStop(() => lease.release());
  const requireLeaseAndBus = () => {
    lease.requireHeld();
    if (!state.isConnected)
      throw new ProblemError({ code: 'unavailable', detail: 'the connection to the bus is lost' });
  };
  const relay = relayOver(database, bus, requireLeaseAndBus);
  const permission = { require: requireLeaseAndBus, confirm: () => lease.confirm() };
  const store = new DatabaseAgentStore(database, lease.fence);
  inventory = await makeInventory(config, { store, bus, permission, relay });
  onHearing('bus', state.isConnected);
  onHearing('lease', !state.isDoubtful);
  await run(inventory, { bus, relay, lease }, atStop);
  state.role = 'active';
  atStop(async () => void (state.role = null));
  return health.url;
}

/** In the order in which each rests on what is there before it. */
async function run(
  inventory: Inventory,
  { bus, relay, lease }: { bus: Bus; relay: OutboxRelay; lease: DatabaseLease },
  atStop: (close: () => Promise<void>) => void,
): Promise<void> {
  relay.start();
  atStop(() => relay.stop());
  await inventory.start();
  atStop(() => inventory.stop());
  const app = await hear(bus, inventory, lease);
  atStop(() => app.close());
  inventory.startJudging();
  atStop(async () => inventory.stopJudging());
}

async function makeInventory(
  config: InventoryConfig,
  parts: { store: DatabaseAgentStore; bus: Bus; permission: Permission; relay: OutboxRelay },
): Promise<Inventory> {
  const buckets = await openBuckets(parts.bus, parts.permission);
  const { store, relay } = parts;
  return new Inventory(
    { store, relay, ...buckets, clock: systemClock, alarms: log, backoffMs: publishBackoffMs },
    config,
  );
}

type OnHearing = (reason: DeafReason, isHeard: boolean) => void;

function connect(config: InventoryConfig, state: ServiceStanding, onHearing: OnHearing): Promise<Bus> {
  return connectService({
    onRetry: (what, error) => log.warn('NATS is not ready for the start yet', { what, error }),
    servers: config.nats.servers,
    principal: { kind: 'service', name: 'inventory' },
    credentials: { seedFile: config.nats.seedFile },
    onStatus: (status) => {
      if (status.type === 'connected' || status.type === 'disconnected')
        state.isConnected = status.type === 'connected';
      followBus(status, onHearing);
    },
  });
}

async function hear(bus: Bus, inventory: Inventory, lease: DatabaseLease): Promise<INestMicroservice> {
  const strategy = new NatsRpcServer({
    bus,
    isServing: () => lease.isHeld,
    onQuarantine: ({ role, id, replySubject }) => {
      log.warn('agent quarantined', { role, id, replySubject });
      inventory.services
        .quarantineAgent({ role, id, reason: foreignReply(replySubject), by: 'inventory' })
        .catch(logFailed('quarantine was not written'));
    },
    onInvalid: (subject, problem) => log.warn('message fits no schema', { subject, problem }),
    onError: (failure) => log.error('handler failed', { ...failure }),
  });
  measureInventory({
    agents: () => inventory.fleet.all(),
    heldVerdicts: () => inventory.heldVerdicts,
    waitingSnapshots: () => inventory.waitingSnapshots,
    messages: () => strategy.stats,
  });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(InventoryModule.over(inventory), {
    strategy,
    logger: new NestLogger(),
  });
  await app.listen();
  return app;
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

function followBus(status: BusStatus, onHearing: OnHearing): void {
  if (status.type === 'disconnected' || status.type === 'connected') onHearing('bus', status.type === 'connected');
  const expected = status.type === 'connected' || (status.type === 'closed' && status.error === null);
  log[expected ? 'info' : 'warn']('bus status', { ...status });
}

function logFailed(what: string) {
  return (error: unknown) => log.error(what, { error });
}
