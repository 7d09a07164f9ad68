import { traceHeaders } from '@flexbso/observability';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Observable } from 'rxjs';

/** Tells the client the trace of its request, in the answer's `traceparent`; inside the tracing interceptor. */
@Injectable()
export class AnswerTrace implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { traceparent } = traceHeaders();
    if (traceparent !== undefined)
      execution.switchToHttp().getResponse<FastifyReply>().header('traceparent', traceparent);
    return next.handle();
  }
}
