import {
  type Attributes,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

export interface SpanOptions {
  /** Default `INTERNAL`. */
  readonly kind?: SpanKind;
  /** Default `flexbso`. */
  readonly scope?: string;
}

/**
 * Does `work` in a span of the current trace; a trace begins when there is none. A failure is recorded on the span
 * with its message and rethrown. Attributes never hold a key, token or seed: they leave the process as they are.
 *
 * @param name constant, low in cardinality (`reconcile volume`); ids belong into `attributes`.
 */
export async function span<Result>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<Result> | Result,
  options: SpanOptions = {},
): Promise<Result> {
  const tracer = trace.getTracer(options.scope ?? 'flexbso');
  return tracer.startActiveSpan(name, { attributes, kind: options.kind ?? SpanKind.INTERNAL }, async (active) => {
    try {
      return await work(active);
    } catch (error) {
      recordFailure(active, error);
      throw error;
    } finally {
      active.end();
    }
  });
}

/** Marks a span as failed: status, exception event, and the error's stable code when it has one. */
export function recordFailure(failed: Span, error: unknown): void {
  const exception = error instanceof Error ? error : new Error(String(error));
  const code = 'code' in exception && typeof exception.code === 'string' ? exception.code : exception.name;
  failed.setAttribute('error.type', code);
  failed.recordException(exception);
  failed.setStatus({ code: SpanStatusCode.ERROR, message: exception.message });
}

/** The current trace context as headers (`traceparent`, `tracestate`), for a message or a record that others continue. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Does `work` as a continuation of the trace in `headers`; without one in them, in no trace. */
export function withTraceHeaders<Result>(headers: Readonly<Record<string, string>>, work: () => Result): Result {
  return context.with(propagation.extract(ROOT_CONTEXT, headers), work);
}

/** The id of the current trace (32 hexadecimal digits), when there is one. */
export function currentTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId;
}
