import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const attributeSchema = z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) });
const spanSchema = z.object({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  kind: z.number(),
  attributes: z.array(attributeSchema),
  status: z.object({ code: z.number().optional(), message: z.string().optional() }),
});
const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(attributeSchema) }),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
    }),
  ),
});

/** A span as it arrived, its attributes as a plain record. */
export interface CollectedSpan extends Omit<z.infer<typeof spanSchema>, 'attributes'> {
  readonly attributes: Record<string, unknown>;
  readonly resource: Record<string, unknown>;
}

export interface Collector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** Path and content type of each request. */
  readonly requests: readonly { readonly path: string | undefined; readonly type: string | undefined }[];
  stop(): Promise<void>;
}

const record = (attributes: z.infer<typeof attributeSchema>[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** An OTLP collector on a free loopback port, which keeps the spans that come as JSON. */
export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const requests: { path: string | undefined; type: string | undefined }[] = [];
  const keep = async (request: IncomingMessage): Promise<void> => {
    const { resourceSpans } = requestSchema.parse(await json(request));
    for (const { resource, scopeSpans } of resourceSpans) {
      const arrived = scopeSpans.flatMap((scope) => scope.spans);
      spans.push(
        ...arrived.map((span) => ({
          ...span,
          attributes: record(span.attributes),
          resource: record(resource.attributes),
        })),
      );
    }
  };
  const server = createServer((request, response) => {
    const type = request.headers['content-type'];
    requests.push({ path: request.url, type });
    const kept = type === 'application/json' ? keep(request) : Promise.resolve();
    kept.then(
      () => response.end('{}'),
      (error: unknown) => response.writeHead(400).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  const stop = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://127.0.0.1:${address.port}`, spans, requests, stop };
}
