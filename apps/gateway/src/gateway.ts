import { type BusStatus, connectBus, ensureEventStream, RpcClient } from '@flexbso/messaging';
import { logger, type Readiness, startHealthServer } from '@flexbso/observability';
import type { GatewayConfig } from './config.js';
import { EventFeed } from './events/event-feed.js';
import { makeHttpServer, type ServedRoute } from './http-server.js';
import { OwnState } from './rest/own-controller.js';
import { Services } from './services.js';
import { TokenBook } from './tokens/token-book.js';

const log = logger('gateway');

/** A gateway that runs. */
export interface RunningGateway {
  /** Where the API answers. */
  readonly url: string;
  /** Where `/healthz`, `/readyz` and `/metrics` answer without a token; null when no port of their own was asked for. */
  readonly healthUrl: string | null;
  /** Takes no more requests, ends the streams, finishes what it has begun, and closes everything. */
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** Of the process's observability. */
  readonly prometheusText: () => Promise<string>;
  /** Told each route that is served. */
  readonly onRoute?: (route: ServedRoute) => void;
}

/**
 * Starts the gateway: tokens, bus, then the door.
 * @throws TokenFileError when nobody could be let in
 */
export async function startGateway(config: GatewayConfig, options: GatewayOptions): Promise<RunningGateway> {
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    // What was started last rests on what was started before it; what cannot be closed must not keep the rest open.
    for (const close of started.splice(0).toReversed()) {
      await close().catch((error: unknown) => log.error('a part did not close', { error }));
    }
  };
  try {
    return { ...(await start(config, options, (close) => started.push(close))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  config: GatewayConfig,
  { prometheusText, onRoute }: GatewayOptions,
  atStop: (close: () => Promise<void>) => void,
): Promise<{ url: string; healthUrl: string | null }> {
  let connected = false;
  const ready = (): Readiness =>
    connected ? { ready: true } : { ready: false, reasons: ['not connected to the bus'] };
  const health = config.health && (await startHealthServer({ ...config.health, ready, prometheusText }));
  if (health) atStop(() => health.stop());
  const tokens = await TokenBook.open(config.tokensFile);
  const bus = await connectBus({
    servers: config.nats.servers,
    principal: { kind: 'service', name: 'gateway' },
    credentials: { seedFile: config.nats.seedFile },
    onStatus: (status: BusStatus) => {
      if (status.type === 'connected' || status.type === 'disconnected') connected = status.type === 'connected';
      log[status.type === 'connected' ? 'info' : 'warn']('bus status', { ...status });
    },
  });
  atStop(() => bus.close());
  await ensureEventStream(bus);
  const feed = new EventFeed(bus);
  const services = new Services(new RpcClient(bus));
  const app = await makeHttpServer({ services, tokens, feed, state: new OwnState(ready, prometheusText) }, onRoute);
  atStop(() => app.close());
  atStop(async () => feed.stop());
  await app.listen(config.listen.port, config.listen.host);
  return { url: await app.getUrl(), healthUrl: health?.url ?? null };
}
