import { type Attributes, context, diag, DiagLogLevel, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPMetricExporter as JsonMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { QuietDiagnostics } from './diagnostics.js';
import { telemetryEnvironment, type TelemetryEnvironment } from './environment.js';
import { nameLogsAfter } from './logger.js';
import { observeProcess, PullReader } from './metrics.js';

export interface ObservabilityOptions {
  /** `inventory`, `scheduler`, …; OTEL_SERVICE_NAME overrides it. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Facts about this process, such as the card that an agent serves; OTEL_RESOURCE_ATTRIBUTES adds more. */
  readonly attributes?: Attributes;
}

export interface Observability {
  /** The metrics in Prometheus's text format; empty when OTEL_SDK_DISABLED is true. */
  readonly prometheusText: () => Promise<string>;
  /** Sends what waits. Never rejects: a collector that is away is no reason to fail. */
  readonly flush: () => Promise<void>;
  /** Sends what waits, for 5 s at most, and ends; then another may start. Calling it again does nothing. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts traces and metrics for this process and names its logs. Call it once, before meters are asked for: an
 * instrument made earlier records nothing. What is sent where, the standard OTEL_* variables say (`environment.ts`).
 * Costs about 15 ms and 8 MB in a bundle; nothing is patched and no module hook is installed.
 */
export function startObservability(options: ObservabilityOptions): Observability {
  nameLogsAfter(options.serviceName);
  const environment = telemetryEnvironment();
  diag.setLogger(new QuietDiagnostics(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const started = environment.disabled ? nothingRecorded : startProviders(resourceOf(options), environment);
  let stopped: Promise<void> | undefined;
  return { ...started, stop: () => (stopped ??= started.stop().finally(forgetGlobals)) };
}

const nothingRecorded: Observability = {
  prometheusText: async () => '',
  flush: async () => undefined,
  stop: async () => undefined,
};

/** OpenTelemetry keeps the first global of each kind and refuses a second. */
function forgetGlobals(): void {
  for (const api of [trace, metrics, propagation, context, diag]) api.disable();
}

function resourceOf({ serviceName, serviceVersion, attributes }: ObservabilityOptions): Resource {
  const own = {
    ...attributes,
    [ATTR_SERVICE_NAME]: serviceName,
    [ATTR_SERVICE_VERSION]: serviceVersion,
    'process.pid': process.pid,
  };
  return resourceFromAttributes(own).merge(detectResources({ detectors: [envDetector] }));
}

function startProviders(resource: Resource, environment: TelemetryEnvironment): Observability {
  const reader = new PullReader();
  // Without an exporter spans are still made: their ids tie logs together and travel in headers.
  const tracerProvider = new TracerProvider({ resource, spanProcessors: spanProcessors(environment) });
  const meterProvider = new MeterProvider({ resource, readers: [reader, ...pushReaders(environment)] });
  trace.setGlobalTracerProvider(tracerProvider);
  metrics.setGlobalMeterProvider(meterProvider);
  observeProcess(meterProvider.getMeter('flexbso.process'));
  const providers = [tracerProvider, meterProvider];
  return {
    prometheusText: () => reader.text(),
    flush: () => settle(providers.map((provider) => provider.forceFlush())),
    stop: () => settle(providers.map((provider) => provider.shutdown())),
  };
}

function spanProcessors({ traces, batch, exportTimeoutMs }: TelemetryEnvironment): BatchSpanProcessor[] {
  if (traces === undefined) return [];
  const settings = { timeoutMillis: exportTimeoutMs };
  const exporter = traces === 'http/json' ? new JsonTraceExporter(settings) : new ProtobufTraceExporter(settings);
  return [new BatchSpanProcessor({ ...batch, exporter })];
}

function pushReaders({ metrics: pushed, metricIntervalMs, exportTimeoutMs }: TelemetryEnvironment): IMetricReader[] {
  if (pushed === undefined) return [];
  const settings = { timeoutMillis: exportTimeoutMs };
  const exporter = pushed === 'http/json' ? new JsonMetricExporter(settings) : new ProtobufMetricExporter(settings);
  return [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: metricIntervalMs })];
}

/** A service that stops must not wait for a collector that is away: what is not sent by then is lost. */
const settleLimitMs = 5_000;

async function settle(work: readonly Promise<void>[]): Promise<void> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(new Error(`not done after ${settleLimitMs} ms`)), settleLimitMs);
  for (const outcome of await Promise.allSettled(work.map((one) => Promise.race([one, limit.promise])))) {
    if (outcome.status === 'rejected') diag.warn('telemetry was not sent', outcome.reason);
  }
  clearTimeout(timer);
}
