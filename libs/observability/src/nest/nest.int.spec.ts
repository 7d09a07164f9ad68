import { ProblemError } from '@flexbso/contracts';
import { Controller, Get, NotFoundException, Param, Sse } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { concat, NEVER, of } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { logger, logTo } from '../logger.js';
import { currentTraceId } from '../span.js';
import { type Observability, startObservability } from '../start-observability.js';
import { type Collector, startCollector } from '../testing/collector.js';
import { NestLogger } from './nest-logger.js';
import { TracingInterceptor } from './tracing-interceptor.js';

@Controller('volumes')
class Volumes {
  @Get('missing')
  missing(): never {
    throw new NotFoundException();
  }
  @Get('failing')
  failing(): never {
    throw new ProblemError({ code: 'data-plane-failed', detail: 'the device is busy' });
  }
  @Sse('events')
  events() {
    return concat(of({ data: 'first' }), NEVER);
  }
  @Get(':id')
  async read(@Param('id') id: string): Promise<{ id: string; traceId: string | undefined }> {
    logger('volumes').info('volume read', { volumeId: id });
    return { id, traceId: currentTraceId() };
  }
}

describe('Nest', () => {
  let collector: Collector;
  let observability: Observability;
  let app: NestFastifyApplication;
  const lines: string[] = [];

  beforeAll(async () => {
    collector = await startCollector();
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
    vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json');
    observability = startObservability({ serviceName: 'gateway', serviceVersion: '0' });
    logTo({ write: (line) => void lines.push(line) }, 'debug');
    const module = await Test.createTestingModule({ controllers: [Volumes] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: new NestLogger() });
    app.useGlobalInterceptors(new TracingInterceptor());
    await app.listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    await app.close();
    await observability.stop();
    await collector.stop();
    logTo(undefined, 'info');
    vi.unstubAllEnvs();
  });

  const spanOf = async (path: string) => {
    await observability.flush();
    return vi.waitFor(() => {
      const found = collector.spans.find(({ attributes }) => attributes['url.path'] === path);
      if (found === undefined) throw new Error(`no span of ${path} yet`);
      return found;
    });
  };

  test('a request is a server span that continues the caller, named by its route', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const response = await app.inject({ url: '/volumes/vol-1?token=S3CRET', headers });
    expect(response.json()).toEqual({ id: 'vol-1', traceId });
    const span = await spanOf('/volumes/vol-1');
    expect(span).toMatchObject({ name: 'GET /volumes/:id', kind: 2, traceId, parentSpanId: 'b7ad6b7169203331' });
    expect(span.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/volumes/:id',
      'http.response.status_code': 200,
    });
    expect(JSON.stringify(collector.spans)).not.toContain('S3CRET');
    expect(lines.find((line) => line.includes('volume read'))).toContain(traceId);
  });

  test("a client's mistake has its status and is no failure of the server; a failure is one, with its code", async () => {
    await app.inject('/volumes/missing');
    await app.inject('/volumes/failing');
    const missing = await spanOf('/volumes/missing');
    expect(missing).toMatchObject({ attributes: { 'http.response.status_code': 404 }, status: { code: 0 } });
    const failing = await spanOf('/volumes/failing');
    expect(failing).toMatchObject({
      attributes: { 'http.response.status_code': 500, 'error.type': 'data-plane-failed' },
      status: { code: 2 },
    });
  });

  test('a stream of events ends its span with the first event', async () => {
    const stop = new AbortController();
    const response = await fetch(`${await app.getUrl()}/volumes/events`, { signal: stop.signal });
    expect(response.status).toBe(200);
    expect(await spanOf('/volumes/events')).toMatchObject({ name: 'GET /volumes/events' });
    stop.abort();
  });

  test('requests are counted and timed by route and status', async () => {
    await app.inject('/volumes/vol-2');
    const text = await observability.prometheusText();
    expect(text).toMatch(
      /^http_server_request_duration_seconds_count\{http_request_method="GET",http_route="\/volumes\/:id",http_response_status_code="200"/m,
    );
  });

  test("Nest's own messages have our format, with their context as the component", () => {
    const mapped = lines.map((line): unknown => JSON.parse(line));
    expect(mapped).toContainEqual(
      expect.objectContaining({
        level: 'debug',
        component: 'RouterExplorer',
        message: 'Mapped {/volumes/:id, GET} route',
      }),
    );
  });
});
