import { setTimeout as delay } from 'node:timers/promises';
import { type BsoEvent, eventSchema } from '@flexbso/contracts';
import type { ApiClient, ApiRequest } from './api-client.js';
import { ApiError, UnreachableError } from './api-error.js';
import { EventParser } from './event-parser.js';

/** An event, or the news that some are missing. */
export type Followed =
  | { readonly type: 'event'; readonly id: string; readonly event: BsoEvent }
  | { readonly type: 'gap'; readonly data: string };

/** About a minute with these waits: a gateway that restarts is back by then. */
const maxFailures = 12;
const backoff = { firstMs: 250, maxMs: 8_000 };

/**
 * Follows events for ever: after a lost connection from the last one on, so that none is missed.
 * @throws ApiError when the server refuses; UnreachableError when it stays away
 */
export async function* followEvents(
  client: ApiClient,
  query: ApiRequest['query'],
  lastEventId: string | null,
): AsyncGenerator<Followed, void, undefined> {
  let last = lastEventId;
  for (let failures = 0; ; failures += 1) {
    try {
      for await (const followed of connection(client, query, last)) {
        failures = 0;
        if (followed.type === 'event') last = followed.id;
        yield followed;
      }
    } catch (error) {
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
      if (failures >= maxFailures) throw new UnreachableError(`${client.server} does not answer`, { cause: error });
    }
    await delay(Math.min(backoff.maxMs, backoff.firstMs * 2 ** failures) * (0.5 + Math.random() / 2));
  }
}

async function* connection(client: ApiClient, query: ApiRequest['query'], last: string | null) {
  const closing = new AbortController();
  const headers: Record<string, string> = last === null ? {} : { 'last-event-id': last };
  const response = await client.stream('/v1/events', query, headers, closing.signal);
  const parser = new EventParser();
  const decoder = new TextDecoder();
  try {
    for await (const piece of response.body ?? []) {
      for (const { id, event, data } of parser.push(decoder.decode(piece, { stream: true }))) {
        if (event === 'gap') yield { type: 'gap' as const, data };
        else yield { type: 'event' as const, id: id ?? '', event: eventSchema.parse(JSON.parse(data)) };
      }
    }
  } finally {
    closing.abort();
  }
}
