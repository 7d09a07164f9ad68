import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { ApiAddress } from './address.js';
import { apiErrorOf, UnreachableError } from './api-error.js';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** What is undefined is left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** For what is only an addition: nobody waits for a service to come back for it. */
  readonly isTriedOnce?: true;
}

/** Longer than the gateway's own deadline of 10 s, so that its answer is heard. */
const attemptTimeoutMs = 15_000;
/** Outlasts a restart of a service, and no person's patience. */
const attempts = 4;
const backoff = { firstMs: 250, maxMs: 2_000 };
/** A service is away, or did not answer in time: the same request may find it. */
const passing = new Set([502, 503, 504]);

/** The API over HTTP. Repeats what nobody answered, always with the same Idempotency-Key. */
export class ApiClient {
  readonly #address: ApiAddress;

  constructor(address: ApiAddress) {
    this.#address = address;
  }

  get server(): string {
    return this.#address.server;
  }

  get<T>(path: string, schema: z.ZodType<T>, query: ApiRequest['query'] = {}): Promise<T> {
    return this.send({ method: 'GET', path, query }, schema);
  }

  /** Every item of a list, page by page, up to `limit`. */
  async list<T>(path: string, item: z.ZodType<T>, query: ApiRequest['query'] = {}, limit = 10_000): Promise<T[]> {
    const page = z.object({ items: z.array(item), nextPageToken: z.string().nullable() });
    const items: T[] = [];
    let pageToken: string | undefined;
    do {
      const pageSize = String(Math.min(200, limit - items.length));
      const found = await this.get(path, page, { ...query, pageSize, pageToken });
      items.push(...found.items);
      pageToken = found.nextPageToken ?? undefined;
    } while (pageToken !== undefined && items.length < limit);
    return items;
  }

  /**
   * One request, repeated while nobody answers; a write gets an Idempotency-Key.
   * @throws ApiError the problem that was answered; UnreachableError after the last attempt
   */
  async send<T>(request: ApiRequest, schema: z.ZodType<T>): Promise<T> {
    const key: Record<string, string> = request.method === 'GET' ? {} : { 'idempotency-key': randomUUID() };
    const headers = { ...key, ...request.headers };
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#attempt(
        { ...request, headers },
        request.isTriedOnce === true || attempt === attempts,
      );
      if (response !== null) return this.#read(request, response, schema);
      await delay(jittered(Math.min(backoff.maxMs, backoff.firstMs * 2 ** (attempt - 1))));
    }
  }

  /** A response without an end, such as events. */
  async stream(path: string, query: ApiRequest['query'], headers: Record<string, string>, signal: AbortSignal) {
    const response = await fetch(this.#url(path, query), { headers: this.#headers({ headers }), signal });
    if (!response.ok) throw apiErrorOf(response.status, await response.text());
    return response;
  }

  /** Null: try again. */
  async #attempt(request: ApiRequest, last: boolean): Promise<Response | null> {
    try {
      const response = await fetch(this.#url(request.path, request.query), {
        method: request.method,
        headers: this.#headers(request),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(attemptTimeoutMs),
      });
      if (last || !passing.has(response.status)) return response;
      // Read to its end, so that the connection can be used again.
      await response.text();
      return null;
    } catch (cause) {
      if (!last) return null;
      throw new UnreachableError(`${this.server} does not answer: ${reasonOf(cause)}`, { cause });
    }
  }

  async #read<T>(request: ApiRequest, response: Response, schema: z.ZodType<T>): Promise<T> {
    const text = await response.text();
    if (!response.ok) throw apiErrorOf(response.status, text);
    const parsed = schema.safeParse(jsonOf(text));
    if (parsed.success) return parsed.data;
    const where = `${request.method} ${request.path}`;
    throw apiErrorOf(response.status, `${where} answered what this flexbso does not know: ${parsed.error.message}`);
  }

  #headers({ headers, body }: Pick<ApiRequest, 'headers' | 'body'>): Record<string, string> {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    return { authorization: `Bearer ${this.#address.token}`, ...type, ...headers };
  }

  #url(path: string, query: ApiRequest['query'] = {}): URL {
    const url = new URL(path, this.#address.server);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Between half and all of it, so that many clients of a restarted gateway do not come at once. */
const jittered = (waitMs: number) => waitMs * (0.5 + Math.random() / 2);

/** fetch says "fetch failed" and keeps the reason as its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
