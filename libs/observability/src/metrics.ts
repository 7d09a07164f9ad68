import { monitorEventLoopDelay } from 'node:perf_hooks';
import { diag, type Meter } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { type MetricData, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** Collects when asked, for a service that answers `/metrics` on a server of its own. */
export class PullReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer();

  /** All metrics in Prometheus's text format, version 0.0.4. */
  async text(): Promise<string> {
    const { resourceMetrics, errors } = await this.collect();
    if (errors.length > 0) diag.error('some metrics were not collected', ...errors);
    return this.#serializer.serialize(withUnitsInNames(resourceMetrics));
  }

  // Nothing is buffered here: what is asked for is collected at that moment.
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** OpenTelemetry's units (UCUM) as Prometheus spells them. Units in braces, such as `{request}`, are not written. */
const unitWords: ReadonlyMap<string, string> = new Map([
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['By', 'bytes'],
  ['By/s', 'bytes_per_second'],
  ['%', 'percent'],
]);

/**
 * Puts the unit at the end of each name, as the specification of OpenTelemetry with Prometheus says; the JavaScript
 * serializer leaves it out.
 */
function withUnitsInNames(collected: ResourceMetrics): ResourceMetrics {
  const scopeMetrics = collected.scopeMetrics.map(({ scope, metrics }) => ({
    scope,
    metrics: metrics.map(withUnitInName),
  }));
  return { resource: collected.resource, scopeMetrics };
}

function withUnitInName(metric: MetricData): MetricData {
  const { name, unit: symbol } = metric.descriptor;
  const unit = unitWords.get(symbol);
  if (unit === undefined) return { ...metric, descriptor: { ...metric.descriptor, unit: '' } };
  const full = name.endsWith(`_${unit}`) || name.endsWith(`.${unit}`) ? name : `${name}.${unit}`;
  return { ...metric, descriptor: { ...metric.descriptor, name: full, unit } };
}

/** How well the process itself is: memory, CPU time, delay of the event loop. Names are OpenTelemetry's. */
export function observeProcess(meter: Meter): void {
  meter
    .createObservableGauge('process.memory.usage', { unit: 'By', description: 'Resident memory of the process' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableCounter('process.cpu.time', { unit: 's', description: 'CPU time that the process has used' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / 1e6, { 'cpu.mode': 'user' });
      result.observe(system / 1e6, { 'cpu.mode': 'system' });
    });
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  meter
    .createObservableGauge('nodejs.eventloop.delay.p99', {
      unit: 's',
      description: 'Delay of the event loop since the last collection',
    })
    .addCallback((result) => {
      result.observe(delay.percentile(99) / 1e9);
      delay.reset();
    });
}
