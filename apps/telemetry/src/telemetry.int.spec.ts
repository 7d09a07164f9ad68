import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BsoEvent, type Caller, measureSchema, ProblemError, rpc, subjects } from '@flexbso/contracts';
import { type Bus, connectBus, type Principal, publishEvent, RpcClient } from '@flexbso/messaging';
import { sendUp } from '@flexbso/messaging/agent';
import { eventually, startNats, startPostgres, type TestNats } from '@flexbso/testkit';
import { ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { telemetryConfigSchema } from './config.js';
import { type RunningTelemetry, startTelemetry } from './telemetry.js';

const telemetryService: Principal = { kind: 'service', name: 'telemetry' };
const gateway: Principal = { kind: 'service', name: 'gateway' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const card1: Principal = { kind: 'card', id: 'card-1' };
const viewer: Caller = { name: 'alice', role: 'viewer', tenantId: null };
const asked = { v: 1, caller: viewer } as const;
const deadline = { timeoutMs: 10_000 };

function anEvent(changes: Partial<BsoEvent> = {}): BsoEvent {
  return {
    v: 1,
    eventId: randomUUID(),
    kind: 'volume',
    id: 'vol-0000000001',
    what: 'created',
    atMs: 1_000,
    by: 'alice',
    tenantId: null,
    traceId: null,
    data: {},
    ...changes,
  };
}

async function metricsOf(telemetry: RunningTelemetry): Promise<string> {
  return (await fetch(`${telemetry.healthUrl}/metrics`)).text();
}

/** A span as OTLP's JSON has it. */
function otlpSpan(spanId: string, attributes: object[] = []): object {
  const times = { startTimeUnixNano: '1760000000123456789', endTimeUnixNano: '1760000000223456789' };
  return { traceId: '0af7651916cd43dd8448eb211c80319c', spanId, name: 'step', ...times, attributes };
}

async function problemOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'no problem',
    (failure: unknown) => failure,
  );
  return error instanceof ProblemError ? error.code : String(error);
}

describe.each(['sqlite', 'postgres'] as const)('telemetry on %s', (kind) => {
  let nats: TestNats;
  let folder: string;
  let postgres: { createDatabase(name: string): Promise<string>; stop(): Promise<void> } | undefined;
  let telemetry: RunningTelemetry;
  let databaseUrl: string;
  const buses: Bus[] = [];
  let gatewayBus: Bus;
  let schedulerBus: Bus;
  let test = 0;

  async function open(principal: Principal): Promise<Bus> {
    const credentials = { seedFile: nats.seedFile(principal) };
    const bus = await connectBus({ servers: nats.url, principal, credentials });
    buses.push(bus);
    return bus;
  }
  function start(): Promise<RunningTelemetry> {
    const config = telemetryConfigSchema.parse({
      nats: { servers: [nats.url], seedFile: nats.seedFile(telemetryService) },
      databaseUrl,
      health: { port: 0 },
      otlp: { port: 0 },
    });
    return startTelemetry(config, async () => '');
  }
  const publish = (event: BsoEvent, messageId = event.eventId) =>
    publishEvent(schedulerBus, subjects.event(event.kind, event.id, event.what), event, { messageId });
  const list = (query: object = {}) =>
    new RpcClient(gatewayBus).call(
      'telemetry',
      'list-events',
      rpc.telemetry['list-events'],
      { ...asked, ...query },
      deadline,
    );
  const idsOf = async (query: object = {}) => (await list(query)).items.map(({ eventId }) => eventId);
  const getTrace = (traceId: string) =>
    new RpcClient(gatewayBus).call(
      'telemetry',
      'get-trace',
      rpc.telemetry['get-trace'],
      { ...asked, traceId },
      deadline,
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flexbso-telemetry-'));
    if (kind === 'postgres') postgres = await startPostgres();
  });
  afterAll(async () => {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    test += 1;
    databaseUrl = postgres ? await postgres.createDatabase(`telemetry_${test}`) : `sqlite://${folder}/${test}.db`;
    nats = await startNats({ principals: [telemetryService, gateway, scheduler, card1] });
    gatewayBus = await open(gateway);
    schedulerBus = await open(scheduler);
    telemetry = await start();
  });
  afterEach(async () => {
    await telemetry.stop();
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await nats.stop();
  });

  describe('the audit trail', () => {
    it('has every event once, even when it is published again', async () => {
      const event = anEvent();
      await publish(event);
      // Another message id: the stream takes it for another message, as after its window for duplicates.
      await publish(event, randomUUID());
      const last = anEvent({ what: 'deleted', atMs: 2_000 });
      await publish(last);
      await eventually('the last event is there', async () => (await idsOf()).includes(last.eventId));
      expect((await list()).items).toEqual([last, event]);
    });

    it('has what was published while telemetry was away', async () => {
      await telemetry.stop();
      const event = anEvent();
      await publish(event);
      telemetry = await start();
      await eventually('the event is there', async () => (await idsOf()).length > 0);
      expect(await idsOf()).toEqual([event.eventId]);
    });

    it('is asked by kind, id and time, newest first, page by page', async () => {
      const events = Array.from({ length: 7 }, (_, n) => anEvent({ atMs: 1_000 + Math.floor(n / 2), what: 'changed' }));
      const other = anEvent({ kind: 'card', id: 'card-1', what: 'registered', atMs: 5_000 });
      for (const event of [...events, other]) await publish(event);
      await eventually('all are there', async () => (await idsOf()).length === 8);
      expect(await idsOf({ kind: 'card' })).toEqual([other.eventId]);
      expect(await idsOf({ id: 'vol-0000000001', sinceMs: 1_003 })).toEqual([events[6]?.eventId]);
      const paged: string[] = [];
      let pageToken: string | null | undefined;
      do {
        const page = await list({ pageSize: 3, ...(pageToken ? { pageToken } : {}) });
        paged.push(...page.items.map(({ eventId }) => eventId));
        pageToken = page.nextPageToken;
      } while (pageToken !== null);
      expect(paged).toEqual(await idsOf());
      expect(new Set(paged).size).toBe(8);
    });

    it('does not take what fits no schema or not its subject, and lives on', async () => {
      const lies = anEvent({ kind: 'card', id: 'card-1', what: 'registered' });
      await publishEvent(
        schedulerBus,
        subjects.event('card', 'card-1', 'registered'),
        { hello: 1 },
        { messageId: 'a' },
      );
      await publishEvent(schedulerBus, subjects.event('pool', 'pool-1', 'registered'), lies, { messageId: 'b' });
      const event = anEvent();
      await publish(event);
      await eventually('the event is there', async () => (await idsOf()).includes(event.eventId));
      expect(await idsOf()).toEqual([event.eventId]);
    });

    it('refuses a page token that it did not give', async () => {
      expect(await problemOf(list({ pageToken: 'made-up' }))).toBe('invalid-request');
    });
  });

  describe('traces', () => {
    it.each([
      ['JSON', JsonExporter],
      ['protobuf', ProtobufExporter],
    ] as const)('sent by OTLP as %s come back whole', async (_format, Exporter) => {
      const exporter = new Exporter({ url: `${telemetry.otlpUrl}/v1/traces` });
      const provider = new TracerProvider({
        resource: resourceFromAttributes({ 'service.name': 'agent' }),
        spanProcessors: [new BatchSpanProcessor({ exporter })],
      });
      const tracer = provider.getTracer('test');
      const parent = tracer.startSpan('swap', { attributes: { volume: 'vol-0000000001', legs: 2, live: true } });
      const child = tracer.startSpan('copy', {}, trace.setSpan(ROOT_CONTEXT, parent));
      child.setStatus({ code: SpanStatusCode.ERROR, message: 'the pool is full' });
      child.end();
      parent.end();
      await provider.forceFlush();
      const { traceId, spanId } = parent.spanContext();
      const { spans, orphanSpanIds } = await getTrace(traceId);
      expect(orphanSpanIds).toEqual([]);
      expect(spans.map(({ name, service, parentSpanId, error }) => ({ name, service, parentSpanId, error }))).toEqual([
        { name: 'swap', service: 'agent', parentSpanId: null, error: null },
        { name: 'copy', service: 'agent', parentSpanId: spanId, error: 'the pool is full' },
      ]);
      expect(spans[0]?.attributes).toEqual({ volume: 'vol-0000000001', legs: 2, live: true });
      await provider.shutdown();
    });

    it('that nobody sent are not found, and a bad id is refused', async () => {
      expect(await problemOf(getTrace('0af7651916cd43dd8448eb211c80319c'))).toBe('not-found');
      expect(await problemOf(getTrace('nonsense'))).toBe('invalid-request');
    });

    it('keep each span once when a batch is sent again, survive a restart, and leave heartbeats out', async () => {
      const beat = [{ key: 'messaging.destination.template', value: { stringValue: 'bso.card.*.up.heartbeat' } }];
      const spans = [otlpSpan('b7ad6b7169203331'), otlpSpan('b7ad6b7169203332', beat)];
      const send = () =>
        fetch(`${telemetry.otlpUrl}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
        });
      expect((await send()).status).toBe(200);
      expect((await send()).status).toBe(200);
      await telemetry.stop();
      telemetry = await start();
      const kept = await getTrace('0af7651916cd43dd8448eb211c80319c');
      expect(kept.spans.map(({ spanId, startMs }) => ({ spanId, startMs }))).toEqual([
        { spanId: 'b7ad6b7169203331', startMs: 1_760_000_000_123.456 },
      ]);
    });
  });

  it('shows what agents measure to Prometheus', async () => {
    const volume = {
      volumeId: 'vol-0000000001',
      readBytes: 1,
      writtenBytes: 2,
      readOperations: 3,
      writeOperations: 4,
      residentBytes: 5,
    };
    const bus = await open(card1);
    bus.connection.publish(subjects.up('card', 'card-1', 'measure'), '{"v":1,"atMs":"now"}');
    await sendUp(bus, 'measure', measureSchema, { v: 1, atMs: 1, volumes: [volume], legs: [], agentResidentBytes: 6 });
    await eventually('the card is measured', async () => (await metricsOf(telemetry)).includes('card_id="card-1"'));
    expect(await metricsOf(telemetry)).toContain(
      'flexbso_volume_written_bytes_total{volume_id="vol-0000000001",card_id="card-1"} 2\n',
    );
  });
});
