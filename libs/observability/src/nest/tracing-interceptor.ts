import { ProblemError, problemTable } from '@flexbso/contracts';
import {
  type CallHandler,
  type ExecutionContext,
  HttpException,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import { Observable } from 'rxjs';
import { recordFailure } from '../span.js';
import { anyHeaders } from './headers.js';

/** What the interceptor reads of a request; Fastify's and Express's both fit. */
interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: unknown;
  readonly routeOptions?: { readonly url?: string };
}

/** What becomes of the span when the handler has answered or failed. */
interface Call {
  readonly name: string;
  readonly kind: SpanKind;
  readonly parent: Context;
  readonly attributes: Attributes;
  readonly finish: (span: Span, error: unknown, seconds: number) => void;
}

/**
 * A server span for each HTTP request and each RPC message that is not in a span already, continuing the caller's
 * trace. The span ends with the first answer: a stream of events has no end that would say anything.
 *
 * Guards run before any interceptor, so what they refuse has no span.
 */
@Injectable()
export class TracingInterceptor implements NestInterceptor {
  readonly #tracer = trace.getTracer('flexbso.nest');
  readonly #duration: Histogram = metrics.getMeter('flexbso.nest').createHistogram('http.server.request.duration', {
    unit: 's',
    description: 'Duration of HTTP requests',
    // The buckets of OpenTelemetry's semantic conventions for HTTP.
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (execution.getType() === 'http') return this.#traced(this.#httpCall(execution), next);
    // The transport may have opened the span already, from the message's headers.
    if (trace.getActiveSpan() !== undefined) return next.handle();
    return this.#traced(rpcCall(execution), next);
  }

  #traced(call: Call, next: CallHandler): Observable<unknown> {
    return new Observable((subscriber) => {
      const startedAtMs = performance.now();
      const { name, kind, attributes } = call;
      const span = this.#tracer.startSpan(name, { kind, attributes }, call.parent);
      const end = (error?: unknown): void => {
        if (!span.isRecording()) return;
        call.finish(span, error, (performance.now() - startedAtMs) / 1_000);
        span.end();
      };
      const active = trace.setSpan(call.parent, span);
      const subscription = context.with(active, () =>
        next.handle().subscribe({
          next: (value) => {
            end();
            subscriber.next(value);
          },
          error: (error: unknown) => {
            end(error);
            subscriber.error(error);
          },
          complete: () => {
            end();
            subscriber.complete();
          },
        }),
      );
      return () => {
        subscription.unsubscribe();
        end();
      };
    });
  }

  #httpCall(execution: ExecutionContext): Call {
    const request = execution.switchToHttp().getRequest<HttpRequest>();
    const response = execution.switchToHttp().getResponse<{ readonly statusCode: number }>();
    const route = request.routeOptions?.url;
    const labels: Attributes = {
      'http.request.method': request.method,
      ...(route === undefined ? {} : { 'http.route': route }),
    };
    return {
      name: route === undefined ? request.method : `${request.method} ${route}`,
      kind: SpanKind.SERVER,
      parent: propagation.extract(ROOT_CONTEXT, request.headers, anyHeaders),
      // The path without its query, which may hold what nobody meant to be stored.
      attributes: { ...labels, 'url.path': request.url.split('?', 1)[0] ?? '' },
      finish: (span, error, seconds) => {
        const status = error === undefined ? response.statusCode : statusOf(error);
        span.setAttribute('http.response.status_code', status);
        // A refusal is the client's failure, not the server's (semantic conventions for HTTP).
        if (error !== undefined && status >= 500) recordFailure(span, error);
        this.#duration.record(seconds, { ...labels, 'http.response.status_code': status });
      },
    };
  }
}

function rpcCall(execution: ExecutionContext): Call {
  const name = `${execution.getClass().name}.${execution.getHandler().name}`;
  return {
    name,
    kind: SpanKind.SERVER,
    parent: propagation.extract(context.active(), rpcHeaders(execution), anyHeaders),
    attributes: { 'rpc.method': name },
    finish: (span, error) => {
      if (error !== undefined) recordFailure(span, error);
    },
  };
}

/** Nest's NATS context has `getHeaders()`; other transports' contexts have none, or are absent. */
function rpcHeaders(execution: ExecutionContext): unknown {
  const rpc = execution.switchToRpc().getContext<{ readonly getHeaders?: () => unknown } | undefined>();
  return rpc?.getHeaders?.();
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  return error instanceof ProblemError ? problemTable[error.code].status : 500;
}
