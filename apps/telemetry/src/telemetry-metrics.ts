import type { EventStats, RpcStats } from '@flexbso/messaging';
import { metrics } from '@opentelemetry/api';
import type { OtlpStats } from './traces/otlp/otlp-server.js';

/** What is measured of telemetry itself, asked at each collection. Labels are outcomes; never an id. */
export interface Measured {
  readonly messages: () => RpcStats;
  readonly events: () => EventStats;
  readonly otlp: () => OtlpStats;
  readonly waitingSpans: () => number;
}

/** Call after observability has started: an instrument made earlier records nothing. */
export function measureTelemetry(measured: Measured): void {
  const meter = metrics.getMeter('flexbso.telemetry');
  const counts = [
    ['messages', 'Messages heard, by what became of them', measured.messages],
    ['events', 'Events of the stream, by what became of them', measured.events],
    ['otlp', 'OTLP requests accepted and refused, and spans rejected', measured.otlp],
  ] as const;
  for (const [name, description, read] of counts) {
    meter.createObservableCounter(`flexbso.telemetry.${name}`, { description }).addCallback((result) => {
      for (const [outcome, count] of Object.entries(read())) result.observe(count, { outcome });
    });
  }
  meter
    .createObservableGauge('flexbso.telemetry.waiting_spans', { description: 'Spans taken and not yet written' })
    .addCallback((result) => result.observe(measured.waitingSpans()));
}
