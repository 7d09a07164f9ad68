import { type Problem, problemTable } from '@flexbso/contracts';
import { currentTraceId, type LogFacts, logger, span, traceHeaders, withTraceHeaders } from '@flexbso/observability';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from '../routes/route.js';
import { methodsOf } from '../routes/table.js';
import { problemDocument, problemOf } from './problem-document.js';

const log = logger('http');

/** Answers every error as `application/problem+json`. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    await sendProblem(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

/** Also for what Fastify refuses before Nest sees it. */
export async function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const path = pathOf(request);
  const problem = problemOf(error, { method: request.method, path });
  const traceId = await traceIdOf(request, reply, problem);
  const { status } = problemTable[problem.code];
  if (status >= 500) logFailure(error, problem, { method: request.method, path, requestTraceId: traceId });
  // A stream that has begun cannot be told anything more.
  if (reply.sent || reply.raw.headersSent) return void reply.raw.destroy();
  if (problem.code === 'method-not-allowed') reply.header('allow', methodsOf(path).join(', '));
  if (problem.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer');
  reply
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemDocument(problem, path, traceId)));
}

function logFailure(error: unknown, problem: Problem, facts: LogFacts): void {
  const { code, detail } = problem;
  // A pool without room is an answer, though its status says otherwise.
  if (code === 'pool-full') return;
  // A service that is away is told once a request; its stack would be the bus's, and says nothing.
  if (code === 'unavailable' || code === 'deadline-exceeded') return log.warn('no answer', { ...facts, code, detail });
  log.error('request failed', { ...facts, code, error });
}

/**
 * The trace of a request that came as far as a handler is in its answer's header already. What was refused before
 * (no token, no such route, a body that is not JSON) gets a span here, so that it can be found as well.
 */
async function traceIdOf(request: FastifyRequest, reply: FastifyReply, problem: Problem): Promise<string> {
  const traceparent = reply.getHeader('traceparent');
  if (typeof traceparent === 'string') return traceparent.split('-')[1] ?? '';
  const given = request.headers['traceparent'];
  const name = `${request.method} refused`;
  const attributes = {
    'http.request.method': request.method,
    'url.path': pathOf(request),
    'http.response.status_code': problemTable[problem.code].status,
    'error.type': problem.code,
  };
  return withTraceHeaders(typeof given === 'string' ? { traceparent: given } : {}, () =>
    span(name, attributes, () => {
      const own = traceHeaders()['traceparent'];
      if (own !== undefined && !reply.raw.headersSent) reply.header('traceparent', own);
      return currentTraceId() ?? '';
    }),
  );
}
