import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { logger, startObservability } from '@flexbso/observability';
import { readGatewayConfig } from './config.js';
import { startGateway } from './gateway.js';

const log = logger('main');

/** `gateway --config FILE`: runs until SIGTERM or SIGINT; prints one JSON line when it is ready. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) throw new Error('usage: gateway --config FILE');
  const config = readGatewayConfig(values.config);
  const observability = startObservability({ serviceName: 'gateway', serviceVersion: '0.1.0' });
  const gateway = await startGateway(config, { prometheusText: () => observability.prometheusText() });
  const stop = async () => {
    await gateway.stop();
    await observability.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop().catch(fail));
  const { url, healthUrl } = gateway;
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'gateway', url, healthUrl })}\n`);
}

function fail(error: unknown): void {
  log.error('gateway failed', { error });
  // Whatever still holds the process (a connection, a timer) must not keep a failed service alive.
  process.exit(1);
}

main().catch(fail);
