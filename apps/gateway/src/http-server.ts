import { ProblemError } from '@flexbso/contracts';
import { NestLogger } from '@flexbso/observability/nest';
import { BadRequestException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayModule, type GatewayParts } from './gateway-module.js';
import { bodyLimitBytes } from './problems/problem-document.js';
import { sendProblem } from './problems/problem-filter.js';

/** A route as Fastify has it. */
export interface ServedRoute {
  readonly method: string;
  /** With `:name` parameters. */
  readonly url: string;
}

/** For a whole request to arrive: our bodies are small, and who sends slower holds a connection for nothing. */
const requestTimeoutMs = 30_000;

/** Makes the application, not yet listening. */
export async function makeHttpServer(
  parts: GatewayParts,
  onRoute: (route: ServedRoute) => void = () => undefined,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    // A HEAD of an endless stream would be endless; nobody needs the others.
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      void sendProblem(new BadRequestException(error.message), request, reply),
  });
  const fastify = adapter.getInstance();
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) onRoute({ method: one, url });
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    const text = body.toString();
    // Some clients name the type even without a body; a route that needs one says so.
    if (text === '') return done(null, undefined);
    try {
      done(null, JSON.parse(text));
    } catch (cause) {
      done(malformed(cause));
    }
  });
  return NestFactory.create<NestFastifyApplication>(GatewayModule.over(parts), adapter, {
    logger: new NestLogger(),
    bodyParser: false,
    abortOnError: false,
  });
}

function malformed(cause: unknown): ProblemError {
  const why = cause instanceof Error ? `: ${cause.message.slice(0, 200)}` : '';
  return new ProblemError({ code: 'malformed-json', detail: `the body is not JSON${why}` }, { cause });
}
