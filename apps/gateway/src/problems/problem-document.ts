import { type Problem, ProblemError, problemTable } from '@flexbso/contracts';
import { HttpException } from '@nestjs/common';
import { methodsOf } from '../routes/table.js';
import type { ProblemDocument } from '../routes/fields.js';

/** What was asked, as far as a problem needs it. */
export interface AskedFor {
  readonly method: string;
  /** Path without its query, which may hold what nobody meant to be repeated. */
  readonly path: string;
}

/** An error as the problem that the client is told. What is not a known refusal is `internal` and told without detail. */
export function problemOf(error: unknown, asked: AskedFor): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof HttpException) return problemOfStatus(error.getStatus(), error.message, asked);
  return { code: 'internal', detail: 'the gateway failed; its log has the error under the traceId' };
}

/** What Fastify refuses before a handler runs, told by its status. */
export function problemOfStatus(status: number, message: string, asked: AskedFor): Problem {
  if (status === 404) return unknownRoute(asked);
  if (status === 413) {
    return {
      code: 'body-too-large',
      detail: `the body has more than ${bodyLimitBytes} bytes`,
      facts: { bodyLimitBytes },
    };
  }
  if (status === 415) {
    return { code: 'unsupported-media-type', detail: "send a JSON body with 'Content-Type: application/json'" };
  }
  if (status >= 400 && status < 500) return { code: 'invalid-request', detail: message };
  return { code: 'internal', detail: 'the gateway failed; its log has the error under the traceId' };
}

/** 1 MiB: far above the largest body that fits a schema; the rest is refused before it is read. */
export const bodyLimitBytes = 1024 ** 2;

function unknownRoute({ method, path }: AskedFor): Problem {
  const allowed = methodsOf(path);
  if (allowed.length === 0) {
    return { code: 'not-found', detail: `there is no ${path}; /v1/openapi.json lists what there is` };
  }
  const detail = `${path} does not know ${method}, but ${allowed.join(', ')}`;
  return { code: 'method-not-allowed', detail, facts: { allowed } };
}

/** The document of a problem (RFC 9457). */
export function problemDocument(problem: Problem, instance: string, traceId: string): ProblemDocument {
  const { status, title } = problemTable[problem.code];
  return {
    type: `urn:flexbso:problem:${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
    ...(problem.facts === undefined ? {} : { facts: problem.facts }),
    traceId,
  };
}
