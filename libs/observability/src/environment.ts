import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core';

export type OtlpProtocol = 'http/json' | 'http/protobuf';

/** What the standard OpenTelemetry variables ask for. */
export interface TelemetryEnvironment {
  /** OTEL_SDK_DISABLED: nothing is recorded; trace context is still passed on. */
  readonly disabled: boolean;
  /** How traces are sent; undefined when no endpoint is named or OTEL_TRACES_EXPORTER is `none`. */
  readonly traces: OtlpProtocol | undefined;
  /**
   * How metrics are pushed; undefined unless OTEL_METRICS_EXPORTER is `otlp` or OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
   * is set: metrics are pulled from `/metrics`, and an endpoint named for traces need not take them.
   */
  readonly metrics: OtlpProtocol | undefined;
  /** OTEL_EXPORTER_OTLP_TIMEOUT: how long one request, with its repetitions, may take. */
  readonly exportTimeoutMs: number;
  readonly batch: {
    readonly scheduledDelayMillis: number;
    readonly maxQueueSize: number;
    readonly maxExportBatchSize: number;
    readonly exportTimeoutMillis: number;
  };
  /** OTEL_METRIC_EXPORT_INTERVAL, in milliseconds. */
  readonly metricIntervalMs: number;
}

/**
 * Reads OTEL_* from the environment. Two departures from the specification's defaults: without an endpoint nothing is
 * sent (the default is localhost:4318, which would fail for ever where no collector runs), and spans wait 500 ms
 * instead of 5 s, so that a change's trace can be looked at as soon as it ends.
 * @throws when a variable asks for what is not supported; the message names the variable and what it may be.
 */
export function telemetryEnvironment(): TelemetryEnvironment {
  const metricsEndpoint = getStringFromEnv('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT');
  const anyEndpoint = getStringFromEnv('OTEL_EXPORTER_OTLP_ENDPOINT');
  const tracesEndpoint = getStringFromEnv('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? anyEndpoint;
  const tracesExporter = oneOf('OTEL_TRACES_EXPORTER', ['otlp', 'none'], 'otlp');
  const metricsExporter = oneOf(
    'OTEL_METRICS_EXPORTER',
    ['otlp', 'prometheus', 'none'],
    metricsEndpoint === undefined ? 'prometheus' : 'otlp',
  );
  const pushesMetrics = metricsExporter === 'otlp' && (metricsEndpoint ?? anyEndpoint) !== undefined;
  return {
    disabled: getStringFromEnv('OTEL_SDK_DISABLED')?.toLowerCase() === 'true',
    traces: tracesEndpoint !== undefined && tracesExporter === 'otlp' ? protocol('TRACES') : undefined,
    metrics: pushesMetrics ? protocol('METRICS') : undefined,
    // 10 s in the specification; but a shutdown waits for it, and a collector near by answers in milliseconds.
    exportTimeoutMs: getNumberFromEnv('OTEL_EXPORTER_OTLP_TIMEOUT') ?? 2_000,
    batch: {
      scheduledDelayMillis: getNumberFromEnv('OTEL_BSP_SCHEDULE_DELAY') ?? 500,
      // A span is about a kilobyte: at most some 4 MB wait for a collector that is away.
      maxQueueSize: getNumberFromEnv('OTEL_BSP_MAX_QUEUE_SIZE') ?? 4096,
      maxExportBatchSize: getNumberFromEnv('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? 512,
      exportTimeoutMillis: getNumberFromEnv('OTEL_BSP_EXPORT_TIMEOUT') ?? 5_000,
    },
    metricIntervalMs: getNumberFromEnv('OTEL_METRIC_EXPORT_INTERVAL') ?? 60_000,
  };
}

function protocol(signal: 'TRACES' | 'METRICS'): OtlpProtocol {
  const allowed = ['http/protobuf', 'http/json'] as const;
  const shared = oneOf('OTEL_EXPORTER_OTLP_PROTOCOL', allowed, 'http/protobuf');
  return oneOf(`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`, allowed, shared);
}

function oneOf<Choice extends string>(name: string, choices: readonly Choice[], otherwise: Choice): Choice {
  const value = getStringFromEnv(name);
  if (value === undefined) return otherwise;
  const chosen = choices.find((choice) => choice === value);
  if (chosen === undefined) throw new Error(`${name} is "${value}"; it may be ${choices.join(', ')}`);
  return chosen;
}
