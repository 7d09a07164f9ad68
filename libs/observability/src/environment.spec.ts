import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { telemetryEnvironment } from './environment.js';

function given(variables: Record<string, string>) {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  return telemetryEnvironment();
}

describe('the OpenTelemetry variables', () => {
  beforeEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) vi.stubEnv(name, undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('without an endpoint nothing is sent', () => {
    expect(given({})).toMatchObject({
      disabled: false,
      traces: undefined,
      metrics: undefined,
      batch: { scheduledDelayMillis: 500 },
    });
  });

  test('an endpoint for all signals takes traces, in protobuf; metrics only when they are asked for', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
    expect(given(endpoint)).toMatchObject({ traces: 'http/protobuf', metrics: undefined });
    expect(given({ ...endpoint, OTEL_METRICS_EXPORTER: 'otlp' })).toMatchObject({ metrics: 'http/protobuf' });
  });

  test("a signal's own protocol goes before the one for all", () => {
    const variables = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
    expect(given(variables).traces).toBe('http/json');
    expect(given({ ...variables, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }).traces).toBe('http/protobuf');
  });

  test('traces can be switched off, and so can everything', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x' };
    expect(given({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }).traces).toBeUndefined();
    expect(given({ OTEL_SDK_DISABLED: 'true' }).disabled).toBe(true);
  });

  test('what is not supported is refused by name', () => {
    expect(() => given({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toThrow(
      'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"; it may be http/protobuf, http/json',
    );
    expect(() => given({ OTEL_TRACES_EXPORTER: 'zipkin' })).toThrow('OTEL_TRACES_EXPORTER');
  });
});
