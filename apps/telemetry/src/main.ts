import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { logger, startObservability } from '@flexbso/observability';
import { readTelemetryConfig } from './config.js';
import { startTelemetry } from './telemetry.js';

const log = logger('main');

/** `telemetry --config FILE`: runs until SIGTERM or SIGINT; prints one JSON line when it is ready. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) throw new Error('usage: telemetry --config FILE');
  const config = readTelemetryConfig(values.config);
  const observability = startObservability({ serviceName: 'telemetry', serviceVersion: '0.1.0' });
  const telemetry = await startTelemetry(config, () => observability.prometheusText());
  const stop = async () => {
    await telemetry.stop();
    await observability.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop().catch(fail));
  process.stdout.write(
    `${JSON.stringify({ ready: true, service: 'telemetry', healthUrl: telemetry.healthUrl, otlpUrl: telemetry.otlpUrl })}\n`,
  );
}

function fail(error: unknown): void {
  log.error('telemetry failed', { error });
  // Whatever still holds the process (a connection, a timer) must not keep a failed service alive.
  process.exit(1);
}

main().catch(fail);
