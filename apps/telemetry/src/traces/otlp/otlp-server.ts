import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Span } from '@flexbso/contracts';
import { logger } from '@flexbso/observability';
import { decodeTraceRequest, encodeTraceResponse, type TraceResponse } from './protobuf.js';
import { type ParsedSpans, spansOfRequest } from './trace-request.js';

export interface OtlpServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Takes the spans of one request, or none of them when there is no room. */
  readonly take: (spans: readonly Span[]) => boolean;
}

/** What became of the requests, counted since the start. */
export interface OtlpStats {
  readonly accepted: number;
  readonly refused: number;
  readonly rejectedSpans: number;
}

export interface OtlpServer {
  readonly url: string;
  readonly stats: OtlpStats;
  stop(): Promise<void>;
}

/** A batch of 512 spans of a kilobyte is half a megabyte; eight of them fit, and four times that once unpacked. */
const maxBodyBytes = 4 * 1024 ** 2;
const maxUnpackedBytes = 4 * maxBodyBytes;
/** Bodies held at the same time: at most 64 MB. The rest of a fleet's exporters try again, as OTLP has it. */
const maxRequests = 16;
const maxConnections = 1_000;
/** A batch on loopback takes milliseconds; who sends slower than this holds a place that others need. */
const requestTimeoutMs = 10_000;

const unzip = promisify(gunzip);
const log = logger('otlp');

/** A refusal by HTTP status; `retry` tells the exporter to come again. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Takes OTLP/HTTP spans: `POST /v1/traces`, JSON or protobuf, plain or gzip.
 *
 * A server of Node's own, not Nest's: it is one route with a body that no body parser may touch, and nothing may make
 * a span of it. Telemetry sends its own spans here too, and a span for taking spans would never end.
 */
export async function startOtlpServer(options: OtlpServerOptions): Promise<OtlpServer> {
  const stats = { accepted: 0, refused: 0, rejectedSpans: 0 };
  let running = 0;
  const server = createServer((request, response) => {
    running += 1;
    handle(request, response, options, running, stats)
      .catch((error: unknown) => refuse(request, response, error, stats))
      .finally(() => (running -= 1));
  });
  server.maxConnections = maxConnections;
  server.requestTimeout = requestTimeoutMs;
  server.headersTimeout = requestTimeoutMs;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return {
    url: urlOf(server),
    get stats() {
      return { ...stats };
    },
    stop: () => stopServer(server),
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: OtlpServerOptions,
  running: number,
  stats: { accepted: number; rejectedSpans: number },
): Promise<void> {
  if (request.url !== '/v1/traces') throw new Refusal(404, 'spans are taken at /v1/traces');
  if (request.method !== 'POST') throw new Refusal(405, 'POST only');
  if (running > maxRequests) throw new Refusal(429, `${maxRequests} requests are being taken already`);
  const format = formatOf(request);
  const { spans, rejected, reason } = parse(format, await bodyOf(request));
  if (!options.take(spans)) throw new Refusal(429, 'the store is behind with writing');
  stats.accepted += 1;
  stats.rejectedSpans += rejected;
  const answer: TraceResponse =
    rejected === 0 ? {} : { partialSuccess: { rejectedSpans: rejected, errorMessage: reason ?? 'not a span' } };
  const body = format === 'json' ? Buffer.from(JSON.stringify(answer)) : encodeTraceResponse(answer);
  response.writeHead(200, { 'content-type': contentTypes[format], 'content-length': body.byteLength });
  response.end(body);
}

const contentTypes = { json: 'application/json', protobuf: 'application/x-protobuf' } as const;
type Format = keyof typeof contentTypes;

function formatOf(request: IncomingMessage): Format {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === contentTypes.json) return 'json';
  if (type === contentTypes.protobuf) return 'protobuf';
  throw new Refusal(415, 'spans are application/json or application/x-protobuf');
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'gzip' && encoding !== 'identity') throw new Refusal(415, 'a body is plain or gzip');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.byteLength;
    if (size > maxBodyBytes) throw new Refusal(413, `a body has at most ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return encoding === 'gzip' ? unpack(body) : body;
}

async function unpack(body: Buffer): Promise<Buffer> {
  try {
    return await unzip(body, { maxOutputLength: maxUnpackedBytes });
  } catch (cause) {
    const tooLarge = cause instanceof RangeError;
    if (tooLarge) throw new Refusal(413, `a body has at most ${maxUnpackedBytes} bytes unpacked`);
    throw new Refusal(400, 'the body is not gzip');
  }
}

function parse(format: Format, body: Buffer): ParsedSpans {
  try {
    return spansOfRequest(format === 'json' ? JSON.parse(body.toString('utf8')) : decodeTraceRequest(body));
  } catch (cause) {
    throw new Refusal(
      400,
      `the body is no ${format} trace request: ${cause instanceof Error ? cause.message : ''}`.slice(0, 500),
    );
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, stats: { refused: number }): void {
  stats.refused += 1;
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'failed; see the log');
  if (!(error instanceof Refusal) && !request.destroyed) log.error('spans could not be taken', { error });
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify({ message: refusal.message }));
  const retry = refusal.status === 429 ? { 'retry-after': '1' } : {};
  // What is left of the body is not read: the connection ends with the answer.
  const headers = {
    'content-type': 'application/json',
    'content-length': body.byteLength,
    connection: 'close',
    ...retry,
  };
  response.writeHead(refusal.status, headers);
  response.end(body);
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the OTLP server has no TCP address');
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

async function stopServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  // A batch under way is taken; a sender that does not end is cut off.
  const timer = setTimeout(() => server.closeAllConnections(), 2_000);
  await closed;
  clearTimeout(timer);
}
