import { metrics } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { logTo } from './logger.js';
import { span, traceHeaders, withTraceHeaders } from './span.js';
import { type Observability, startObservability } from './start-observability.js';
import { type Collector, startCollector } from './testing/collector.js';

describe('observability', () => {
  let collector: Collector;
  let observability: Observability | undefined;
  const lines: string[] = [];

  beforeEach(async () => {
    collector = await startCollector();
  });
  afterEach(async () => {
    await observability?.stop();
    observability = undefined;
    await collector.stop();
    logTo(undefined, 'info');
    lines.length = 0;
    vi.unstubAllEnvs();
  });
  const start = (variables: Record<string, string>): Observability => {
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    observability = startObservability({
      serviceName: 'agent',
      serviceVersion: '1.2.3',
      attributes: { 'bso.card.id': 'card-1' },
    });
    logTo({ write: (line) => void lines.push(line) }, 'info');
    return observability;
  };
  const json = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' });

  test('spans arrive with parent, attributes, failure and resource, without being asked for', async () => {
    start(json());
    const failing = span('change', { 'bso.volume.id': 'vol-1' }, async () => {
      await span('step', {}, () => {
        throw Object.assign(new Error('device busy'), { code: 'data-plane-failed' });
      });
    });
    await expect(failing).rejects.toThrow('device busy');
    await vi.waitFor(() => expect(collector.spans).toHaveLength(2), 5_000);
    const [step, change] = collector.spans;
    expect(step).toMatchObject({
      name: 'step',
      traceId: change?.traceId,
      parentSpanId: change?.spanId,
      attributes: { 'error.type': 'data-plane-failed' },
      status: { code: 2, message: 'device busy' },
    });
    expect(change?.attributes).toMatchObject({ 'bso.volume.id': 'vol-1' });
    expect(change?.resource).toMatchObject({
      'service.name': 'agent',
      'service.version': '1.2.3',
      'bso.card.id': 'card-1',
    });
  });

  test('a trace goes on in another process by its headers', async () => {
    const { flush } = start(json());
    const headers = await span('sender', {}, () => traceHeaders());
    await withTraceHeaders(headers, () => span('receiver', {}, () => undefined));
    await flush();
    const [sender, receiver] = collector.spans;
    expect(receiver).toMatchObject({ name: 'receiver', traceId: sender?.traceId, parentSpanId: sender?.spanId });
  });

  test('protobuf is sent unless JSON is asked for', async () => {
    const { flush } = start({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/own/path` });
    await span('any', {}, () => undefined);
    await flush();
    expect(collector.requests).toEqual([{ path: '/own/path', type: 'application/x-protobuf' }]);
  });

  test('stop sends what waits', async () => {
    const { stop } = start({ ...json(), OTEL_BSP_SCHEDULE_DELAY: '600000' });
    await span('last', {}, () => undefined);
    await stop();
    expect(collector.spans.map(({ name }) => name)).toEqual(['last']);
  });

  test('a collector that is away stops neither the work nor the shutdown, and is complained of once', async () => {
    await collector.stop();
    const { flush, stop } = start({ ...json(), OTEL_EXPORTER_OTLP_TIMEOUT: '100' });
    await span('one', {}, () => undefined);
    await flush();
    await span('two', {}, () => undefined);
    await flush();
    await stop();
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines.length).toBeLessThanOrEqual(2);
    collector = await startCollector();
  });

  test('metrics are answered as Prometheus reads them, with their units', async () => {
    const { prometheusText } = start({ OTEL_TRACES_EXPORTER: 'none' });
    metrics
      .getMeter('spec')
      .createCounter('bso.changes', { description: 'Changes by outcome' })
      .add(3, { outcome: 'settled' });
    metrics.getMeter('spec').createHistogram('bso.swap.duration', { unit: 's' }).record(0.3);
    const text = await prometheusText();
    expect(text).toMatch(/^bso_changes_total\{outcome="settled".*\} 3$/m);
    expect(text).toMatch(/^bso_swap_duration_seconds_count\{/m);
    expect(text).toMatch(/^process_memory_usage_bytes\{/m);
    expect(text).toMatch(/^process_cpu_time_seconds_total\{/m);
  });

  test('disabled, it records and sends nothing, and still passes a trace on', async () => {
    const { prometheusText } = start({ ...json(), OTEL_SDK_DISABLED: 'true' });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const passedOn = withTraceHeaders({ traceparent }, () => traceHeaders());
    expect(passedOn).toEqual({ traceparent });
    expect(await prometheusText()).toBe('');
    expect(collector.requests).toEqual([]);
  });
});
