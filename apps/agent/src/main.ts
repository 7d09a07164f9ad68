import { logger, startObservability } from '@flexbso/observability';
import { parseArgs } from 'node:util';
import { readAgentConfig } from './config/config.js';
import { AGENT_VERSION, startAgent } from './start.js';

/** Fenced: another process is this agent now; a supervisor must not start this one again. */
const EXIT_FENCED = 3;
/** Parking a step and flushing take milliseconds; a supervisor kills after some ten seconds. */
const STOP_WITHIN_MS = 8_000;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config === undefined) throw new Error('usage: agent --config FILE');
  const config = readAgentConfig(values.config);
  const { role, id } = config;
  const serviceName = `agent-${role}`;
  const observability = startObservability({
    serviceName,
    serviceVersion: AGENT_VERSION,
    attributes: { [`bso.${role}.id`]: id },
  });
  const log = logger('agent');
  const ending = Promise.withResolvers<number>();
  const agent = await startAgent(config, {
    onFenced: (problem) => {
      log.error('a newer session has this identity; this one ends', { problem: problem.problem.detail });
      ending.resolve(EXIT_FENCED);
    },
    onLost: (reason) => {
      log.error('the bus cannot be used', { reason });
      ending.resolve(1);
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.resolve(0));
  console.log(JSON.stringify({ ready: true, role, id, pid: process.pid, ...agent.session }));
  process.exitCode = await ending.promise;
  setTimeout(() => process.exit(), STOP_WITHIN_MS).unref();
  await agent.stop();
  await observability.stop();
  // A connection attempt or a socket of the data plane may still be open; all that counts is on disk.
  process.exit();
}

main().catch((error: unknown) => {
  console.error(
    JSON.stringify({
      level: 'error',
      message: 'the agent did not start',
      error: error instanceof Error ? error.message : String(error),
    }),
  );
  process.exit(1);
});
