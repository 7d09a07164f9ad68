import { type ProblemCode, problemTable } from '@flexbso/contracts';
import { problemDocumentSchema } from '../routes/fields.js';
import type { RequestHeader, ResponseHeader, Route, RouteReply } from '../routes/route.js';
import { allRoutes } from '../routes/table.js';
import { type JsonObject, jsonOf, SchemaCollection } from './schemas.js';

/** What a request's headers mean, once for all routes. */
const requestHeaders: Readonly<Record<RequestHeader, { name: string; description: string; schema: JsonObject }>> = {
  'idempotency-key': {
    name: 'Idempotency-Key',
    description: "This write's own key. The same key with the same body gives the first answer again.",
    schema: { type: 'string', minLength: 1, maxLength: 128 },
  },
  'if-match': {
    name: 'If-Match',
    description: 'The generation that the update is based on: the ETag of the volume.',
    schema: { type: 'string', pattern: '^"[0-9]{1,15}"$' },
  },
  'plan-digest': {
    name: 'Plan-Digest',
    description: 'The `digest` of the plan that a dry run showed; another plan is refused.',
    schema: { type: 'string', pattern: '^[0-9a-f]{64}$' },
  },
  'last-event-id': {
    name: 'Last-Event-ID',
    description: 'The `id` of the last event that the client has.',
    schema: { type: 'string', pattern: '^[0-9]{1,15}$' },
  },
};
const responseHeaders: Readonly<Record<ResponseHeader | 'traceparent', JsonObject>> = {
  etag: { description: "The volume's generation, for If-Match.", schema: { type: 'string' }, example: '"2"' },
  location: { description: 'The change.', schema: { type: 'string' }, example: '/v1/changes/chg-0123456789' },
  traceparent: { description: 'The trace of this request (W3C).', schema: { type: 'string' } },
};

/** The whole API as an OpenAPI 3.0 document, made from the routes that are served and the schemas that check them. */
export function openApiDocument(): JsonObject {
  const schemas = new SchemaCollection();
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of allRoutes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route, schemas);
  schemas.of(problemDocumentSchema, 'output');
  return {
    openapi: '3.0.3',
    info: {
      title: 'FlexBSO',
      version: '1',
      description: 'Volumes on DPUs, and changes of the storage stack beneath a running guest. See docs/api.md.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [...new Set(allRoutes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operationOf(route: Route, schemas: SchemaCollection): JsonObject {
  const parameters = [...parametersOf(route, schemas), ...headersOf(route)];
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(route.access === 'open' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...bodyOf(route, schemas),
    responses: { ...repliesOf(route, schemas), ...problemsOf(route) },
  };
}

function parametersOf(route: Route, schemas: SchemaCollection): JsonObject[] {
  const places = [
    { place: 'path', fields: schemas.fieldsOf(route.params) },
    { place: 'query', fields: schemas.fieldsOf(route.query) },
  ];
  return places.flatMap(({ place, fields }) =>
    fields.map(({ name, required, schema: { description, ...schema } }) => ({
      name,
      in: place,
      required,
      ...(description === undefined ? {} : { description }),
      schema,
    })),
  );
}

function headersOf(route: Route): JsonObject[] {
  return Object.entries(requestHeaders).flatMap(([key, header]) => {
    const need = Object.entries(route.headers ?? {}).find(([name]) => name === key)?.[1];
    if (need === undefined) return [];
    // A dry run needs no key, so the document must not demand it where there can be one.
    const required = need === 'required' && !(key === 'idempotency-key' && route.replies[200] !== undefined);
    return [{ ...header, in: 'header', required }];
  });
}

function bodyOf(route: Route, schemas: SchemaCollection): JsonObject {
  if (route.bodyExample === undefined) return {};
  const content = {
    'application/json': { schema: schemas.of(route.body, 'input'), example: jsonOf(route.bodyExample) },
  };
  return { requestBody: { required: true, content } };
}

function repliesOf(route: Route, schemas: SchemaCollection): JsonObject {
  return Object.fromEntries(
    Object.entries(route.replies).map(([status, reply]) => [status, replyOf(reply, schemas)] as const),
  );
}

function replyOf(reply: RouteReply, schemas: SchemaCollection): JsonObject {
  const headers = ['traceparent' as const, ...(reply.headers ?? [])];
  return {
    description: reply.description,
    headers: Object.fromEntries(headers.map((name) => [name, responseHeaders[name]])),
    content: { [reply.type]: { schema: schemas.of(reply.schema, 'output'), example: jsonOf(reply.example) } },
  };
}

/** Those that a route can meet whatever it does, by what it does. */
function everyProblemOf(route: Route): ProblemCode[] {
  const asksOthers = route.tag !== 'gateway';
  const hasBody = route.bodyExample !== undefined;
  return [
    ...(asksOthers ? (['invalid-request'] as const) : []),
    ...(hasBody ? (['malformed-json', 'body-too-large', 'unsupported-media-type'] as const) : []),
    ...(route.access === 'open' ? [] : (['unauthenticated'] as const)),
    ...(route.access === 'write' ? (['forbidden'] as const) : []),
    // A service with too much waiting refuses at once.
    ...(asksOthers ? (['too-many-requests', 'unavailable', 'deadline-exceeded'] as const) : []),
    'internal',
    ...route.problems,
  ];
}

function problemsOf(route: Route): JsonObject {
  const byStatus = Map.groupBy(new Set(everyProblemOf(route)), (code) => problemTable[code].status);
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => route.replies[status] === undefined)
      .map(([status, codes]) => [String(status), problemReplyOf(status, codes)]),
  );
}

function problemReplyOf(status: number, codes: readonly ProblemCode[]): JsonObject {
  const example = (code: ProblemCode) => ({
    summary: problemTable[code].title,
    value: {
      type: `urn:flexbso:problem:${code}`,
      title: problemTable[code].title,
      status,
      detail: `${problemTable[code].title}; docs/errors.md says what to do`,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    },
  });
  return {
    description: codes.map((code) => `\`${code}\`: ${problemTable[code].title}.`).join(' '),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map((code) => [code, example(code)])),
      },
    },
  };
}
