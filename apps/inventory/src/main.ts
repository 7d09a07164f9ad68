import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { logger, startObservability } from '@flexbso/observability';
import { readInventoryConfig } from './config.js';
import { startInventory } from './service.js';

const log = logger('main');

/** Another inventory is active: a supervisor starts this one again, as its standby. EX_TEMPFAIL of sysexits.h. */
const exitLeaseLost = 75;

/**
 * `inventory --config FILE`: runs until SIGTERM or SIGINT; prints one JSON line when it is active, and stands by without
 * one while another inventory is.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) throw new Error('usage: inventory --config FILE');
  const config = readInventoryConfig(values.config);
  const observability = startObservability({ serviceName: 'inventory', serviceVersion: '0.1.0' });
  const inventory = await startInventory(config, () => observability.prometheusText(), {
    // At once: an orderly stop would finish what is another's by now.
    onLeaseLost: () => process.exit(exitLeaseLost),
  });
  const stop = async () => {
    await inventory.stop();
    await observability.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop().catch(fail));
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'inventory', healthUrl: inventory.healthUrl })}\n`);
}

function fail(error: unknown): void {
  log.error('inventory failed', { error });
  // Whatever still holds the process (a connection, a timer) must not keep a failed service alive.
  process.exit(1);
}

main().catch(fail);
