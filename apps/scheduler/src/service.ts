import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, connectService, NatsRpcServer, publishEvent, quarantineTeller, seal } from '@flexbso/messaging';
import { logger, startHealthServer, traceHeaders } from '@flexbso/observability';
import { NestLogger } from '@flexbso/observability/nest';
import {
  type Database,
  type DatabaseLease,
  databaseOptions,
  openDatabase,
  OutboxRelay,
  readinessOf,
  type ServiceStanding,
  startPruning,
  takeStandingLease,
} from '@flexbso/persistence';
import { Fleet } from '@flexbso/placement';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BusInspections } from './bus/bus-inspections.js';
import { BusNudges } from './bus/bus-nudges.js';
import { SchedulerModule } from './bus/scheduler-module.js';
import { watchSnapshots } from './bus/snapshot-watch.js';
import type { SchedulerConfig } from './config.js';
import { LifeFile } from './incarnation/life-file.js';
import { LifeKeeper } from './incarnation/life-keeper.js';
import { loadKeyFile } from './keys/key-file.js';
import { Vault } from './keys/vault.js';
import { startPruningChanges } from './persistence/change-pruning.js';
import { TypeormBackups } from './persistence/typeorm-backups.js';
import { schedulerDatabase, TypeormStore } from './persistence/typeorm-store.js';
import type { Randomness, Timer } from './ports.js';
import { measureScheduler } from './scheduler-metrics.js';
import { Scheduler } from './scheduler.js';

const log = logger('scheduler');

const systemTimer: Timer = {
  // Nothing but the abort makes it reject.
  sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }).catch(() => undefined),
};

/** A scheduler that runs. */
export interface RunningScheduler {
  /** Where `/healthz`, `/readyz` and `/metrics` answer. */
  readonly healthUrl: string;
  /** The deciding part, for tests that look inside. */
  readonly scheduler: Scheduler;
  /** Hears no more, finishes what it has begun, publishes what it has committed, and closes everything. */
  stop(): Promise<void>;
}

/** How long the start waits for what inventory has published; without it every request would be refused at first. */
const snapshotLimitMs = 10_000;

export interface StartOptions {
  /**
   * Another scheduler may have taken over. Nothing more is written, published or answered; the process is to end at
   * once, and not to stop in order: what it would finish is another's.
   */
  readonly onLeaseLost?: (reason: string) => void;
  /** The database is a restored copy: agents must not take it for the one that they follow. */
  readonly newIncarnation?: boolean;
}

type AtStop = (close: () => Promise<void>) => void;

/**
 * Starts the scheduler: database, bus, the lease, what is held and what was under way, then the handlers; in this order,
 * so that nobody is answered from books that are not loaded, or that another scheduler still writes in. While another
 * holds the lease this waits as a standby.
 * @param prometheusText of the process's observability
 */
export async function startScheduler(
  config: SchedulerConfig,
  prometheusText: () => Promise<string>,
  options: StartOptions = {},
): Promise<RunningScheduler> {
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    // What was started last rests on what was started before it; what cannot be closed must not keep the rest open.
    for (const close of started.splice(0).toReversed()) {
      await close().catch((error: unknown) => log.error('a part did not close', { error }));
    }
  };
  try {
    return { ...(await start({ ...config, ...options }, prometheusText, (close) => started.push(close))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  config: SchedulerConfig & StartOptions,
  prometheusText: () => Promise<string>,
  atStop: AtStop,
): Promise<Omit<RunningScheduler, 'stop'>> {
  const state: ServiceStanding = { isConnected: false, role: null, isDoubtful: false };
  const health = await startHealthServer({ ...config.health, prometheusText, ready: () => readinessOf(state) });
  atStop(() => health.stop());
  const database = await openDatabase(databaseOptions(config.databaseUrl, schedulerDatabase));
  atStop(() => database.destroy());
  const bus = await connectService({
    onRetry: (what, error) => log.warn('NATS is not ready for the start yet', { what, error }),
    servers: config.nats.servers,
    principal: { kind: 'service', name: 'scheduler' },
    credentials: { seedFile: config.nats.seedFile },
    onStatus: (status) => {
      if (status.type === 'connected' || status.type === 'disconnected')
        state.isConnected = status.type === 'connected';
      log[status.type === 'connected' ? 'info' : 'warn']('bus status', { ...status });
    },
  });
  atStop(() => bus.close());
  const lease = await takeStandingLease(database, {
    service: 'scheduler',
    standing: state,
    log,
    onLost: config.onLeaseLost,
  });
  atStop(() => lease.release());
  const pruning = { fence: lease.fence, onError: (error: unknown) => log.error('pruning failed', { error }) };
  atStop(startPruning(database, pruning));
  atStop(startPruningChanges(database, pruning));
  const store = new TypeormStore(database, lease.fence);
  const revisions = await openLife(config, store);
  atStop(() => revisions.close());
  const relay = relayOver(database, bus, lease);
  relay.start();
  atStop(() => relay.stop());
  const fleet = new Fleet();
  const scheduler = await makeScheduler(config, { database, store, revisions, bus, relay, fleet, lease });
  const snapshots = await watchSnapshots(bus, scheduler);
  atStop(() => snapshots.stop());
  await withinLimit(snapshots.loaded);
  await scheduler.start();
  atStop(() => scheduler.idle());
  atStop(watchWaits(scheduler));
  await hear(bus, { scheduler, fleet, lease }, atStop);
  await scheduler.wakeAgents();
  state.role = 'active';
  atStop(async () => void (state.role = null));
  return { healthUrl: health.url, scheduler };
}

/** The shortest limit of a step is ten seconds: half of that more is early enough for whoever is called. */
const waitLookMs = 5_000;

/** @returns the function that stops it and waits for a look under way */
function watchWaits(scheduler: Scheduler): () => Promise<void> {
  let look: Promise<void> | null = null;
  const timer = setInterval(() => {
    // A look that waits for the database is not joined by others.
    look ??= scheduler.waits
      .look()
      .then(() => scheduler.followUps.look())
      .then(() => scheduler.health.look())
      .catch((error: unknown) => log.warn('waits, queued changes and bad legs were not looked at', { error }))
      .finally(() => (look = null));
  }, waitLookMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await look;
  };
}

function openLife(config: SchedulerConfig & StartOptions, store: TypeormStore): Promise<LifeKeeper> {
  return LifeKeeper.open(new LifeFile(`${config.keyFile}.incarnation`), store, {
    clock: systemTimer,
    renew: config.newIncarnation ?? false,
    onRenewed: (reason) => log.warn('the database has a new incarnation: agents act on nothing new', { reason }),
    onFailed: (error) => log.error('it was not written how far the database has come', { error }),
  });
}

async function makeScheduler(
  config: SchedulerConfig,
  parts: {
    database: Database;
    store: TypeormStore;
    revisions: LifeKeeper;
    bus: Bus;
    relay: OutboxRelay;
    fleet: Fleet;
    lease: DatabaseLease;
  },
): Promise<Scheduler> {
  const { wrapKey, sealingSeed } = await loadKeyFile(config.keyFile);
  const randomness: Randomness = { bytes: (length) => randomBytes(length) };
  return new Scheduler(
    {
      store: parts.store,
      revisions: parts.revisions,
      clock: { nowMs: Date.now },
      randomness,
      nudges: new BusNudges(parts.bus),
      inspections: new BusInspections(parts.bus),
      tracing: { headers: traceHeaders },
      relay: parts.relay,
      alarms: log,
      backups: new TypeormBackups({
        dataSource: parts.database,
        fence: parts.lease.fence,
        folder: config.backupFolder ?? join(dirname(config.keyFile), 'backups'),
        onUnusable: (file, error) => log.warn('a file among the backups is none', { file, error }),
      }),
      vault: new Vault({ wrapKey, randomness, seal: (plain, recipient) => seal(plain, recipient, sealingSeed) }),
      fleet: parts.fleet,
    },
    {
      copyBytesPerSecond: config.copyBytesPerSecond,
      replaceLegAfterMs: config.replaceLegAfterMs,
      term: parts.lease.token,
    },
  );
}

async function hear(
  bus: Bus,
  { scheduler, fleet, lease }: { scheduler: Scheduler; fleet: Fleet; lease: DatabaseLease },
  atStop: AtStop,
): Promise<void> {
  const tellQuarantine = quarantineTeller(bus, {
    by: 'scheduler',
    onFailed: ({ role, id }, error) => log.error('inventory was not told of a quarantine', { role, id, error }),
  });
  const strategy = new NatsRpcServer({
    bus,
    isServing: () => lease.isHeld,
    onQuarantine: (quarantine) => {
      log.warn('agent asked for its answer to go elsewhere', { ...quarantine });
      tellQuarantine(quarantine);
    },
    onInvalid: (subject, problem) => log.warn('message fits no schema', { subject, problem }),
    onError: (failure) => log.error('handler failed', { ...failure }),
  });
  measureScheduler({
    fleet,
    messages: () => strategy.stats,
    waitingDecisions: () => scheduler.waitingDecisions,
    overdueChanges: () => scheduler.waits.overdue,
    pauses: () => scheduler.pauseCount,
    degradedVolumes: () => scheduler.health.degraded,
    badLegEvents: () => scheduler.agents.badLegEvents,
    unflushedLostEvents: () => scheduler.agents.unflushedLostEvents,
  });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(SchedulerModule.over(scheduler), {
    strategy,
    logger: new NestLogger(),
  });
  atStop(() => app.close());
  await app.listen();
}

function relayOver(database: Database, bus: Bus, lease: DatabaseLease): OutboxRelay {
  return new OutboxRelay(
    database,
    async (subject, payload, headers, messageId) => {
      lease.requireHeld();
      await publishEvent(bus, subject, payload, { headers, messageId });
    },
    { onStatus: (status) => status.kind === 'failed' && log.warn('events wait to be published', { ...status }) },
  );
}

/** Past the limit the scheduler serves what it can: agents are answered, and placement refuses what it does not know. */
async function withinLimit(loaded: Promise<void>): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    log.warn('snapshots are not loaded yet', { limitMs: snapshotLimitMs });
    limit.resolve();
  }, snapshotLimitMs);
  await Promise.race([loaded, limit.promise]);
  clearTimeout(timer);
}
