import { ProblemError } from '@flexbso/contracts';
import {
  ClosedConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';
import { type Backoff, backoffMs, delay } from './backoff.js';
import type { Bus } from './connection.js';
import { encodeJson, openReply, parseOrRefuse, type RequestSchemas } from './envelope.js';
import { inMessageSpan, SpanKind, traceHeaders } from './trace.js';

export interface RequestOptions {
  /** After this the caller is told `deadline-exceeded`; the receiver may still act, so a repeat must be harmless. */
  readonly timeoutMs: number;
}

/**
 * After a loss of the bus its services come back one after the other, five seconds apart at most and a moment for
 * what they subscribe to. What nobody answered was delivered to nobody, so it may be asked again.
 */
const RETURN_MS = 6_000;
const ASK_AGAIN: Backoff = { firstMs: 50, maxMs: 500 };

/**
 * Asks on a subject and waits for the reply, in a client span whose context travels along.
 *
 * @param payload checked against `schemas.request` before anything is sent, and sent as it is
 * @throws ProblemError the one that the receiver answered with; `deadline-exceeded` without an answer in time;
 *   `unavailable` when nobody listens (some seconds after the bus came back: still), or there is no connection in time; `forbidden` when the server denies the subject
 */
export function request<Request, Reply>(
  bus: Bus,
  subject: string,
  schemas: RequestSchemas<Request, Reply>,
  payload: Request,
  options: RequestOptions,
): Promise<Reply> {
  return inMessageSpan({ operation: 'request', kind: SpanKind.CLIENT, subject }, async () => {
    parseOrRefuse(schemas.request, payload, `the request ${subject}`);
    const data = encodeJson(payload, `the request ${subject}`);
    const reply = await exchange(bus, subject, data, options.timeoutMs);
    return openReply(reply, schemas.reply, `the reply to ${subject}`);
  });
}

async function exchange(bus: Bus, subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  const askedAtMs = performance.now();
  if (!(await bus.connectedWithin(timeoutMs))) {
    const detail = `${subject} was not sent: the bus has been away for ${timeoutMs} ms and more`;
    throw new ProblemError({ code: 'unavailable', detail, facts: { subject, timeoutMs } });
  }
  for (let attempt = 0; ; attempt++) {
    const leftMs = timeoutMs - (performance.now() - askedAtMs);
    try {
      const timeout = Math.max(1, leftMs);
      const message = await bus.connection.request(subject, data, { timeout, headers: traceHeaders() });
      return message.data;
    } catch (error) {
      const waitMs = backoffMs(attempt, ASK_AGAIN);
      const mayComeBack = causeOf(error) instanceof NoRespondersError && bus.isBackSince(RETURN_MS);
      if (!mayComeBack || waitMs >= leftMs) throw problemOfFailure(subject, timeoutMs, error);
      await delay(waitMs);
    }
  }
}

const causeOf = (error: unknown): unknown =>
  error instanceof RequestError && error.cause !== undefined ? error.cause : error;

function problemOfFailure(subject: string, timeoutMs: number, error: unknown): ProblemError {
  const cause = causeOf(error);
  const options = { cause: error };
  if (cause instanceof TimeoutError) {
    const detail = `${subject} was not answered within ${timeoutMs} ms`;
    return new ProblemError({ code: 'deadline-exceeded', detail, facts: { subject, timeoutMs } }, options);
  }
  if (cause instanceof NoRespondersError) {
    return new ProblemError({ code: 'unavailable', detail: `nobody answers ${subject}`, facts: { subject } }, options);
  }
  if (cause instanceof PermissionViolationError) {
    return new ProblemError(
      { code: 'forbidden', detail: `the bus does not allow ${subject}`, facts: { subject } },
      options,
    );
  }
  const closed = cause instanceof ClosedConnectionError || cause instanceof DrainingConnectionError;
  const detail = closed
    ? `${subject} was not sent: the connection to the bus is closing`
    : `${subject} failed on the bus: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new ProblemError({ code: 'unavailable', detail, facts: { subject } }, options);
}
