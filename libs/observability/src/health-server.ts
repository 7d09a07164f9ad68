import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { logger } from './logger.js';

/**
 * Whether the process can do its work; when not, why: shown by `/readyz`. A standby is ready for its orchestration,
 * which is not to wait for it or to replace it, and serves nobody.
 */
export type Readiness =
  | { readonly ready: true; readonly role?: 'active' | 'standby' }
  | { readonly ready: false; readonly reasons: readonly string[] };

export interface HealthServerOptions {
  /** 0 takes a free port. */
  readonly port: number;
  /** Default 127.0.0.1: health and metrics are for the machine, unless a Prometheus elsewhere asks. */
  readonly host?: string;
  readonly ready: () => Readiness | Promise<Readiness>;
  /** `observability.prometheusText`. */
  readonly prometheusText: () => Promise<string>;
}

export interface HealthServer {
  readonly url: string;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** Probes give up after one to ten seconds: a check that hangs must answer "not ready" before. */
const readyLimitMs = 2_000;
/** Probes and Prometheus are a handful; more are a mistake that must not eat the service's memory. */
const maxConnections = 50;

/**
 * A small server for those who watch the process: `/healthz` (200 while the event loop turns), `/readyz` (200 or 503
 * with the reasons) and `/metrics` (Prometheus text). GET and HEAD only.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n');
    return void answer(request.url ?? '/', response, options);
  });
  server.maxConnections = maxConnections;
  server.listen(options.port, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const { host, port } = addressOf(server);
  return { url: `http://${host}:${port}`, port, stop: () => stopServer(server) };
}

async function answer(target: string, response: ServerResponse, options: HealthServerOptions): Promise<void> {
  const path = target.split('?', 1)[0];
  try {
    if (path === '/healthz') send(response, 200, 'text/plain', 'ok\n');
    else if (path === '/readyz') sendReadiness(response, await readiness(options.ready));
    else if (path === '/metrics') send(response, 200, 'text/plain; version=0.0.4', await options.prometheusText());
    else send(response, 404, 'text/plain', 'there are /healthz, /readyz and /metrics\n');
  } catch (error) {
    logger('health').error('health request failed', { path, error });
    send(response, 500, 'text/plain', 'failed; see the log\n');
  }
}

async function readiness(ready: HealthServerOptions['ready']): Promise<Readiness> {
  const limit = Promise.withResolvers<Readiness>();
  const tooLate: Readiness = { ready: false, reasons: [`the check took more than ${readyLimitMs} ms`] };
  const timer = setTimeout(() => limit.resolve(tooLate), readyLimitMs);
  try {
    return await Promise.race([ready(), limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function sendReadiness(response: ServerResponse, state: Readiness): void {
  send(response, state.ready ? 200 : 503, 'application/json', `${JSON.stringify(state)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

function addressOf(server: Server): { host: string; port: number } {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the health server has no TCP address');
  return { host: address.family === 'IPv6' ? `[${address.address}]` : address.address, port: address.port };
}

async function stopServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
