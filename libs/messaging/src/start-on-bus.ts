import { setTimeout as wait } from 'node:timers/promises';
import { EVENT_STREAM } from '@flexbso/contracts';
import { backoffMs } from './backoff.js';
import { type Bus, type BusOptions, connectBus } from './connection.js';
import { SeedFileError } from './identity/seed-file.js';
import { StreamSettingsError } from './jetstream/settings.js';
import { ensureEventStream } from './jetstream/stream.js';
import { ServerTooOldError } from './server-version.js';

/** Longer than a restart of nats-server with a large stream; shorter than a supervisor's patience with a start. */
const limitMs = 60_000;
const pace = { firstMs: 100, maxMs: 2_000 };

/** NATS did not do what a service needs of it to start; the text names the servers, the part, and what to do. */
export class BusStartError extends Error {
  override readonly name = 'BusStartError';
  readonly code = 'bus_unavailable';
}

export interface StartOnBusOptions extends BusOptions {
  /** Called before each repeat. */
  readonly onRetry: (what: string, error: unknown) => void;
  readonly limitMs?: number;
}

/**
 * Connects a service and makes sure of the event stream; what fails because NATS is away, or comes back this moment,
 * is tried again for a minute. The caller closes the bus.
 *
 * @throws BusStartError after that; what no repeat cures (seed file, server version, stream settings) at once
 */
export async function connectService(options: StartOnBusOptions): Promise<Bus> {
  const deadline = performance.now() + (options.limitMs ?? limitMs);
  const bus = await repeated('the connection', options, deadline, () => connectBus(options));
  try {
    await repeated(`the stream ${EVENT_STREAM}`, options, deadline, () => ensureEventStream(bus));
    return bus;
  } catch (error) {
    await bus.close();
    throw error;
  }
}

async function repeated<T>(
  what: string,
  { servers, onRetry, limitMs: limit = limitMs }: StartOnBusOptions,
  deadline: number,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (isLasting(error)) throw error;
      const waitMs = backoffMs(attempt, pace);
      if (performance.now() + waitMs >= deadline) throw failure(what, servers, limit, error);
      onRetry(what, error);
      await wait(waitMs);
    }
  }
}

function isLasting(error: unknown): boolean {
  return error instanceof SeedFileError || error instanceof ServerTooOldError || error instanceof StreamSettingsError;
}

function failure(what: string, servers: BusOptions['servers'], limit: number, cause: unknown): BusStartError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const where = [servers].flat().join(', ');
  return new BusStartError(
    `NATS at ${where} gave no answer for ${what} within ${limit} ms (${why}). Is nats-server running, with JetStream, under its configuration? Then start this service again.`,
    { cause },
  );
}
