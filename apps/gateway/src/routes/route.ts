import { type Caller, type ProblemCode, problemOfParse, ProblemError } from '@flexbso/contracts';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';

export type HttpMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';
/** `open`: no token; `read`: any token; `write`: an operator's or admin's. */
export type Access = 'open' | 'read' | 'write';
/** Headers of a request that a route reads. */
export type RequestHeader = 'idempotency-key' | 'if-match' | 'plan-digest' | 'last-event-id';
export type ResponseHeader = 'etag' | 'location';

export interface RouteReply {
  readonly description: string;
  readonly type: 'application/json' | 'text/event-stream' | 'text/plain';
  readonly schema: z.ZodType;
  readonly example: unknown;
  readonly headers?: readonly ResponseHeader[];
}

/**
 * One route: what is served, checked and written into the OpenAPI document, from one place, so that they cannot
 * differ. `path` is OpenAPI's: `/v1/cards/{cardId}`.
 */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly operationId: string;
  readonly method: HttpMethod;
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly bodyExample?: unknown;
  /** Read if present, unless the route's own code demands it; `required` ones are marked so in the document. */
  readonly headers?: Readonly<Partial<Record<RequestHeader, 'required' | 'optional'>>>;
  /** By status. */
  readonly replies: Readonly<Record<number, RouteReply>>;
  /** Beside those that every route can answer with. */
  readonly problems: readonly ProblemCode[];
}

/** A request that fits its route. */
export interface CallOf<R extends Route> {
  readonly params: z.output<R['params']>;
  readonly query: z.output<R['query']>;
  readonly body: z.output<R['body']>;
  readonly headers: Readonly<Partial<Record<RequestHeader, string>>>;
  readonly caller: Caller;
}

/**
 * Checks a request against its route.
 * @throws ProblemError `invalid-request` naming every field that does not fit
 */
export function callOf(route: Route, request: FastifyRequest, caller: Caller): CallOf<Route> {
  return {
    params: parsed(route.params, request.params, 'path'),
    query: parsed(route.query, request.query, 'query'),
    body: parsed(route.body, request.body, 'body'),
    headers: headersOf(route, request),
    caller,
  };
}

function parsed(schema: z.ZodType, value: unknown, where: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ProblemError(problemOfParse(where, result.error), { cause: result.error });
}

function headersOf(route: Route, request: FastifyRequest): Partial<Record<RequestHeader, string>> {
  const wanted = Object.keys(route.headers ?? {});
  const present = wanted.flatMap((name) => {
    const value = request.headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return Object.fromEntries(present);
}

/** Keeps a route's own types, so that its handler knows what it gets. */
export function defineRoute<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(
  own: Route<Params, Query, Body>,
): Route<Params, Query, Body> {
  return own;
}

export function json(description: string, schema: z.ZodType, example: unknown): RouteReply {
  return { description, type: 'application/json', schema, example };
}

/** The path that was asked for, without its query. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '/';
}
