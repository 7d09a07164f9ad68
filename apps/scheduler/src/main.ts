import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { logger, startObservability } from '@flexbso/observability';
import { readSchedulerConfig } from './config.js';
import { startScheduler } from './service.js';

const log = logger('main');

/** Another scheduler is active: a supervisor starts this one again, as its standby. EX_TEMPFAIL of sysexits.h. */
const exitLeaseLost = 75;

/**
 * `scheduler --config FILE [--new-incarnation]`: runs until SIGTERM or SIGINT; prints one JSON line when it is active,
 * and stands by without one while another scheduler is. The flag is for the first start over a restored database.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { config: { type: 'string' }, 'new-incarnation': { type: 'boolean', default: false } },
  });
  if (values.config === undefined) throw new Error('usage: scheduler --config FILE [--new-incarnation]');
  const config = readSchedulerConfig(values.config);
  const observability = startObservability({ serviceName: 'scheduler', serviceVersion: '0.1.0' });
  const service = await startScheduler(config, () => observability.prometheusText(), {
    newIncarnation: values['new-incarnation'],
    // At once: an orderly stop would finish what is another's by now.
    onLeaseLost: () => process.exit(exitLeaseLost),
  });
  const stop = async () => {
    await service.stop();
    await observability.stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop().catch(fail));
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'scheduler', healthUrl: service.healthUrl })}\n`);
}

function fail(error: unknown): void {
  log.error('scheduler failed', { error });
  // Whatever still holds the process (a connection, a timer) must not keep a failed service alive.
  process.exit(1);
}

main().catch(fail);
