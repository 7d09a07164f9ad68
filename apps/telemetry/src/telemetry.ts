import {
  type Bus,
  type BusStatus,
  connectService,
  EventServer,
  NatsRpcServer,
  quarantineTeller,
} from '@flexbso/messaging';
import { logger, type Readiness, startHealthServer } from '@flexbso/observability';
import { NestLogger } from '@flexbso/observability/nest';
import { type Database, databaseOptions, openDatabase } from '@flexbso/persistence';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { AuditTrail, maxGathered } from './persistence/audit-trail.js';
import { EventRow } from './persistence/event-entity.js';
import type { TelemetryConfig } from './config.js';
import { Measurements } from './measurements/measurements.js';
import { Retention } from './persistence/retention.js';
import { measureTelemetry } from './telemetry-metrics.js';
import { TelemetryTables } from './persistence/telemetry-migration.js';
import { EventsModule, RequestsModule } from './telemetry-modules.js';
import { type OtlpServer, startOtlpServer } from './traces/otlp/otlp-server.js';
import { SpanRow } from './persistence/span-entity.js';
import { SpanStore } from './persistence/span-store.js';

const log = logger('telemetry');

/** A telemetry that runs. */
export interface RunningTelemetry {
  /** Where `/healthz`, `/readyz` and `/metrics` answer; the metrics include what agents measured. */
  readonly healthUrl: string;
  /** For OTEL_EXPORTER_OTLP_ENDPOINT: spans are taken at `/v1/traces` below it. */
  readonly otlpUrl: string;
  /** Takes no more, writes what it has, and closes everything. */
  stop(): Promise<void>;
}

/** @param prometheusText of the process's observability */
export async function startTelemetry(
  config: TelemetryConfig,
  prometheusText: () => Promise<string>,
): Promise<RunningTelemetry> {
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    // What was started last rests on what was started before it; what cannot be closed must not keep the rest open.
    for (const close of started.splice(0).toReversed()) {
      await close().catch((error: unknown) => log.error('a part did not close', { error }));
    }
  };
  try {
    const urls = await start(config, prometheusText, (close) => started.push(close));
    return { ...urls, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type AtStop = (close: () => Promise<void>) => void;

async function start(config: TelemetryConfig, prometheusText: () => Promise<string>, atStop: AtStop) {
  const measurements = new Measurements();
  let connected = false;
  let hearing = false;
  const ready = (): Readiness => {
    if (!hearing) return { ready: false, reasons: ['starting or stopping'] };
    return connected ? { ready: true } : { ready: false, reasons: ['not connected to the bus'] };
  };
  const text = async () => `${await prometheusText()}${measurements.text(Date.now())}`;
  const health = await startHealthServer({ ...config.health, prometheusText: text, ready });
  atStop(() => health.stop());
  const database = await openOwnDatabase(config.databaseUrl);
  atStop(() => database.destroy());
  const retention = new Retention(database, config);
  retention.start();
  atStop(() => retention.stop());
  const spans = new SpanStore(database, {
    onFailed: (error, waiting) => log.warn('spans wait to be written', { error, waiting }),
  });
  atStop(() => spans.stop());
  const otlp = await startOtlpServer({ ...config.otlp, take: (taken) => spans.take(taken) });
  atStop(() => otlp.stop());
  const bus = await connectService({
    onRetry: (what, error) => log.warn('NATS is not ready for the start yet', { what, error }),
    servers: config.nats.servers,
    principal: { kind: 'service', name: 'telemetry' },
    credentials: { seedFile: config.nats.seedFile },
    onStatus: (status) => {
      if (status.type === 'connected' || status.type === 'disconnected') connected = status.type === 'connected';
      logStatus(status);
    },
  });
  atStop(() => bus.close());
  await hear(bus, { trail: new AuditTrail(database), spans, measurements, otlp }, atStop);
  hearing = true;
  atStop(async () => void (hearing = false));
  return { healthUrl: health.url, otlpUrl: otlp.url };
}

interface Parts {
  readonly trail: AuditTrail;
  readonly spans: SpanStore;
  readonly measurements: Measurements;
  readonly otlp: OtlpServer;
}

async function hear(bus: Bus, { trail, spans, measurements, otlp }: Parts, atStop: AtStop): Promise<void> {
  const tellQuarantine = quarantineTeller(bus, {
    by: 'telemetry',
    onFailed: ({ role, id }, error) => log.error('inventory was not told of a quarantine', { role, id, error }),
  });
  const requests = new NatsRpcServer({
    bus,
    // Replicas share the work: what they answer is in the database, and Prometheus adds up what each has heard.
    queueGroup: 'telemetry',
    onQuarantine: (quarantine) => {
      log.warn('agent wants its answer to go elsewhere', { ...quarantine });
      tellQuarantine(quarantine);
    },
    onInvalid: (subject, problem) => log.warn('message fits no schema', { subject, problem }),
    onError: (failure) => log.error('handler failed', { ...failure }),
  });
  const events = new EventServer({
    bus,
    durable: 'telemetry',
    // Their commit is one, and only a full batch is written without waiting for more.
    maxInFlight: maxGathered,
    // An event that comes again is there already.
    confirmed: false,
    // The message names the first fault; the list of all of them would be a page for each event.
    onPoison: ({ error, ...event }) =>
      log.error('event is not kept', { ...event, detail: error instanceof Error ? error.message : error }),
    onError: (failure) => log.warn('event will be tried again', { ...failure }),
  });
  const app = await listen(RequestsModule.over(trail, spans, measurements), requests);
  atStop(() => app.close());
  const consumer = await listen(EventsModule.over(trail), events);
  atStop(() => consumer.close());
  measureTelemetry({
    messages: () => requests.stats,
    events: () => events.stats,
    otlp: () => otlp.stats,
    waitingSpans: () => spans.waiting,
  });
}

async function listen(module: ReturnType<typeof EventsModule.over>, strategy: NatsRpcServer | EventServer) {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, { strategy, logger: new NestLogger() });
  await app.listen();
  return app;
}

function logStatus(status: BusStatus): void {
  const expected = status.type === 'connected' || (status.type === 'closed' && status.error === null);
  log[expected ? 'info' : 'warn']('bus status', { ...status });
}

function openOwnDatabase(url: string): Promise<Database> {
  const contents = { entities: [EventRow, SpanRow], migrations: [TelemetryTables], schema: 'telemetry' };
  return openDatabase(databaseOptions(url, contents));
}
