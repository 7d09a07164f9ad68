import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type TextMapGetter,
  type TextMapSetter,
} from '@opentelemetry/api';
import { headers as newHeaders, type MsgHdrs } from '@nats-io/transport-node';

const setter: TextMapSetter<MsgHdrs> = { set: (carrier, key, value) => carrier.set(key, value) };
const getter: TextMapGetter<MsgHdrs | undefined> = {
  get: (carrier, key) => (carrier?.has(key) ? carrier.get(key) : undefined),
  keys: (carrier) => carrier?.keys() ?? [],
};

/** Headers that carry the current trace context (W3C `traceparent`), and any given ones. */
export function traceHeaders(extra: Readonly<Record<string, string>> = {}): MsgHdrs {
  const headers = newHeaders();
  for (const [key, value] of Object.entries(extra)) headers.set(key, value);
  // Given headers win: an outbox relay publishes for the trace that wrote the row, not for its own.
  if (!headers.has('traceparent')) propagation.inject(context.active(), headers, setter);
  return headers;
}

/** The context that a message's headers carry. The receiver's own is not a parent: a message has one sender. */
export function contextOf(headers: MsgHdrs | undefined): Context {
  return propagation.extract(ROOT_CONTEXT, headers, getter);
}

/** A subject with its ids taken out: `bso.card.*.up.report`. Span names must stay few. */
export function subjectTemplate(subject: string): string {
  const tokens = subject.split('.');
  const [, second] = tokens;
  if (second === 'card' || second === 'pool') tokens[2] = '*';
  if (second === 'evt') tokens[3] = '*';
  return tokens.join('.');
}

export interface MessageSpan {
  readonly operation: 'request' | 'process' | 'publish' | 'consume';
  readonly kind: SpanKind;
  readonly subject: string;
  readonly parent?: Context;
  readonly attributes?: Attributes;
}

/** Runs `work` in a span by the conventions for messaging; a failure marks the span and is passed on. */
export async function inMessageSpan<T>(span: MessageSpan, work: (span: Span) => Promise<T>): Promise<T> {
  const template = subjectTemplate(span.subject);
  const attributes: Attributes = {
    'messaging.system': 'nats',
    'messaging.operation.name': span.operation,
    'messaging.destination.name': span.subject,
    'messaging.destination.template': template,
    ...span.attributes,
  };
  const tracer = trace.getTracer('@flexbso/messaging');
  const options = { kind: span.kind, attributes };
  const parent = span.parent ?? context.active();
  return tracer.startActiveSpan(`${span.operation} ${template}`, options, parent, async (active) => {
    try {
      return await work(active);
    } catch (error) {
      markFailed(active, error);
      throw error;
    } finally {
      active.end();
    }
  });
}

/** Records an error on a span; the text of a problem never holds a secret. */
export function markFailed(span: Span, error: unknown): void {
  const failure = error instanceof Error ? error : new Error(String(error));
  span.recordException(failure);
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
}

export { SpanKind };
