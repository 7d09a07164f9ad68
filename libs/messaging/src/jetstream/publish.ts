import { EVENT_STREAM, ProblemError } from '@flexbso/contracts';
import { jetstream, JetStreamApiError } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  DrainingConnectionError,
  PermissionViolationError,
  RequestError,
} from '@nats-io/transport-node';
import { backoffMs, delay } from '../backoff.js';
import type { Bus } from '../connection.js';
import { encodeJson } from '../envelope.js';
import { inMessageSpan, SpanKind, traceHeaders } from '../trace.js';

export interface PublishEventOptions {
  /** The same event published twice under one id is stored once (within two minutes). The outbox row's id. */
  readonly messageId: string;
  /** Sent as they are; a `traceparent` among them is kept instead of the current span's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For all attempts together; a lost leader is replaced in five to seven seconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface PublishedEvent {
  readonly sequence: number;
  /** The stream had this message id already. */
  readonly duplicate: boolean;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** One attempt; an acknowledged publish takes milliseconds. */
const ATTEMPT_TIMEOUT_MS = 5_000;
const BACKOFF = { firstMs: 100, maxMs: 2_000 };

/**
 * Publishes a fact and waits until the stream has stored it; repeats with the same message id while no leader
 * answers.
 *
 * @param subject one of `subjects.event(...)`
 * @throws ProblemError `unavailable` when the stream did not take it in time; `forbidden`, `body-too-large` and
 *   other refusals of the server at once
 */
export function publishEvent(
  bus: Bus,
  subject: string,
  payload: unknown,
  options: PublishEventOptions,
): Promise<PublishedEvent> {
  const attributes = { 'messaging.message.id': options.messageId };
  return inMessageSpan({ operation: 'publish', kind: SpanKind.PRODUCER, subject, attributes }, () =>
    publishUntil(bus, subject, encodeJson(payload, subject), options),
  );
}

async function publishUntil(bus: Bus, subject: string, data: Uint8Array, options: PublishEventOptions) {
  const client = jetstream(bus.connection);
  const headers = traceHeaders(options.headers);
  const deadline = performance.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  // Bounded by the deadline: each turn waits at least half of the first backoff.
  for (let attempt = 0; ; attempt += 1) {
    const leftMs = Math.max(1, deadline - performance.now());
    try {
      const timeout = Math.min(ATTEMPT_TIMEOUT_MS, leftMs);
      const expect = { streamName: EVENT_STREAM };
      const ack = await client.publish(subject, data, { msgID: options.messageId, headers, timeout, expect });
      return { sequence: ack.seq, duplicate: ack.duplicate };
    } catch (error) {
      const refused = refusalOf(subject, error);
      if (refused) throw refused;
      const waitMs = backoffMs(attempt, BACKOFF);
      if (performance.now() + waitMs >= deadline) throw notTaken(subject, options, attempt + 1, error);
      await delay(waitMs, options.signal);
    }
  }
}

/** The problem for what a repeat cannot cure; null for a lost leader, a timeout, a lost connection. */
function refusalOf(subject: string, error: unknown): ProblemError | null {
  const cause = error instanceof RequestError && error.cause !== undefined ? error.cause : error;
  const options = { cause: error };
  if (cause instanceof PermissionViolationError) {
    return new ProblemError({ code: 'forbidden', detail: `the bus does not allow publishing ${subject}` }, options);
  }
  if (cause instanceof ClosedConnectionError || cause instanceof DrainingConnectionError) {
    return new ProblemError({ code: 'unavailable', detail: `${subject}: the connection is closing` }, options);
  }
  // 4xx: the stream refuses this message; 5xx: it cannot take it now.
  if (cause instanceof JetStreamApiError && cause.status < 500) {
    return new ProblemError(
      { code: 'invalid-request', detail: `${EVENT_STREAM} refuses ${subject}: ${cause.message}` },
      options,
    );
  }
  return null;
}

function notTaken(subject: string, options: PublishEventOptions, attempts: number, cause: unknown): ProblemError {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const detail = `${EVENT_STREAM} did not take ${subject} within ${timeoutMs} ms, in ${attempts} attempts`;
  return new ProblemError({ code: 'unavailable', detail, facts: { subject, attempts, timeoutMs } }, { cause });
}
