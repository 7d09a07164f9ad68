import { connect, nkeyAuthenticator, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { within } from './backoff.js';
import { readSeedFile } from './identity/seed-file.js';
import { inboxPrefixOf, principalName, type Principal } from './principal.js';
import { ReconnectPace } from './reconnect-pace.js';
import { isNewEnough, ServerTooOldError } from './server-version.js';
import { statusOf, type BusStatus, type BusStatusListener } from './status.js';

/** Where the nkey seed comes from: a file of mode 0600, or the seed itself (`SU...`). */
export type Credentials = { readonly seedFile: string } | { readonly seed: string };

export interface BusOptions {
  /** `nats://127.0.0.1:4222` or several, tried in random order. */
  readonly servers: string | readonly string[];
  readonly principal: Principal;
  readonly credentials: Credentials;
  /** Certificates as PEM files; without it the connection is plain, which only loopback deserves. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Shown by the server's monitoring; the principal's name when left out. */
  readonly name?: string;
  readonly onStatus?: BusStatusListener;
  /** Keep trying until a first server answers, instead of failing at once. An agent does; a service need not. */
  readonly waitForServer?: boolean;
}

/** Noticed in 20 s at most: two pings unanswered. The library's own two minutes would hide a dead server for four. */
const PING_INTERVAL_MS = 10_000;
const MAX_PINGS_OUT = 2;
/** For one attempt to connect; a server on the same network answers in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A drain is a few round trips; longer means that the server is gone. */
const CLOSE_TIMEOUT_MS = 5_000;

/** A connection to the bus as one principal. Made by `connectBus`; closed by whoever made it. */
export class Bus {
  readonly principal: Principal;
  /** The client library's connection, for the other modules of this package only. */
  readonly connection: NatsConnection;
  /** Set while there is no connection; resolves with the next. */
  #away: PromiseWithResolvers<void> | null = null;
  /** By the monotonic clock; null: it was never lost. */
  #backAtMs: number | null = null;

  constructor(principal: Principal, connection: NatsConnection) {
    this.principal = principal;
    this.connection = connection;
  }

  get inboxPrefix(): string {
    return inboxPrefixOf(this.principal);
  }

  get closed(): boolean {
    return this.connection.isClosed();
  }

  /** Told of each status by whoever follows the connection. */
  heard({ type }: BusStatus): void {
    if (type === 'disconnected') this.#away ??= Promise.withResolvers();
    if (type !== 'connected' && type !== 'closed') return;
    this.#backAtMs = performance.now();
    this.#away?.resolve();
    this.#away = null;
  }

  /**
   * Waits until there is a connection, for a time. What is sent without one is lost without a word: the client library
   * empties its buffer at each attempt to connect again. @returns whether there is one
   */
  async connectedWithin(timeoutMs: number): Promise<boolean> {
    return this.#away === null || within(this.#away.promise, timeoutMs);
  }

  /** Whether a connection was lost and is back since less than that. */
  isBackSince(withinMs: number): boolean {
    return this.#backAtMs !== null && performance.now() - this.#backAtMs < withinMs;
  }

  /** Resolves once the server has seen everything sent before. */
  flush(): Promise<void> {
    return this.connection.flush();
  }

  /** Lets subscriptions finish what they have, sends what is buffered, and closes; at the deadline it closes regardless. */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.connection.isClosed()) return;
    const drained = this.connection.isDraining() ? this.connection.closed() : this.connection.drain();
    // Without a server there is nothing to drain into, and the client library refuses to: then it is closed as it is.
    const inTime = await within(drained, options.timeoutMs ?? CLOSE_TIMEOUT_MS).catch(() => false);
    if (!inTime) await this.connection.close();
  }
}

/**
 * Connects as a principal: authenticated by its nkey, hearing replies under its own inbox prefix, reconnecting
 * for ever with jittered waits of at most five seconds.
 *
 * @throws ServerTooOldError for a server older than 2.10
 * @throws SeedFileError when the seed's file is missing, readable by others, or holds no seed
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const seed =
    'seedFile' in options.credentials ? await readSeedFile(options.credentials.seedFile) : options.credentials.seed;
  const pace = new ReconnectPace();
  const connection = await connect(connectionOptions(options, seed, pace));
  pace.connected();
  const version = connection.info?.version ?? 'unknown';
  if (!isNewEnough(version)) {
    const server = connection.getServer();
    await connection.close();
    throw new ServerTooOldError(server, version);
  }
  const listener = options.onStatus ?? (() => undefined);
  listener({ type: 'connected', server: connection.getServer(), version, reconnected: false });
  const bus = new Bus(options.principal, connection);
  void follow(connection, pace, (status) => {
    bus.heard(status);
    listener(status);
  });
  return bus;
}

function connectionOptions(options: BusOptions, seed: string, pace: ReconnectPace): NodeConnectionOptions {
  return {
    servers: typeof options.servers === 'string' ? options.servers : [...options.servers],
    name: options.name ?? principalName(options.principal),
    authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
    inboxPrefix: inboxPrefixOf(options.principal),
    ...(options.tls ? { tls: { ...options.tls } } : {}),
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => pace.waitMs,
    // Not to choose a server (null leaves that to the library), but to learn that an attempt begins.
    reconnectToServer: () => {
      pace.attempted();
      return null;
    },
    waitOnFirstConnect: options.waitForServer ?? false,
    // A server that restarts with users not yet loaded refuses twice; an agent must come back all the same.
    ignoreAuthErrorAbort: true,
    // A stack trace per request costs more than the request; our own errors name the subject.
    noAsyncTraces: true,
  };
}

/** Ends with the connection: the status iterator does, and `closed()` never rejects. */
async function follow(connection: NatsConnection, pace: ReconnectPace, listener: BusStatusListener) {
  for await (const status of connection.status()) {
    const version = connection.info?.version ?? 'unknown';
    if (status.type === 'reconnect') pace.connected();
    const ours = statusOf(status, version);
    if (ours) listener(ours);
    if (status.type === 'reconnect' && !isNewEnough(version)) {
      listener({ type: 'server-too-old', server: status.server, version });
    }
  }
  const error = await connection.closed();
  listener({ type: 'closed', error: error ?? null });
}
