import { digestSchema, problemOfParse, ProblemError, rpc } from '@flexbso/contracts';
import type { RequestHeader } from '../routes/route.js';

type Headers = Readonly<Partial<Record<RequestHeader, string>>>;

/** @throws ProblemError `idempotency-key-required`, or `invalid-request` when it is too long */
export function idempotencyKeyOf(headers: Headers): string {
  const key = headers['idempotency-key'];
  if (key === undefined || key === '') {
    throw new ProblemError({
      code: 'idempotency-key-required',
      detail:
        "send the header Idempotency-Key with a value of this write's own, such as a UUID; the same again when you repeat it",
    });
  }
  const parsed = rpc.scheduler['create-volume'].request.shape.idempotencyKey.safeParse(key);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse('header Idempotency-Key', parsed.error));
}

/**
 * The generation that an update is based on: `If-Match: "3"`, as the volume's ETag has it.
 * @throws ProblemError `generation-required` without the header, `invalid-request` for another form
 */
export function basedOnGenerationOf(headers: Headers): number {
  const etag = headers['if-match'];
  if (etag === undefined) {
    throw new ProblemError({
      code: 'generation-required',
      detail: 'send the header If-Match with the ETag that reading the volume gave, such as If-Match: "3"',
    });
  }
  const generation = /^"(\d{1,15})"$/.exec(etag.trim())?.[1];
  if (generation !== undefined && Number(generation) >= 1) return Number(generation);
  const message = 'If-Match is one generation in quotes, such as "3"; "*", lists and weak tags are not taken';
  throw new ProblemError({ code: 'invalid-request', detail: message, errors: [{ path: 'header.if-match', message }] });
}

/** The plan that the write is bound to, for the request's payload; empty when it is bound to none. */
export function planDigestOf(headers: Headers): { planDigest?: string } {
  const digest = headers['plan-digest'];
  if (digest === undefined) return {};
  const parsed = digestSchema.safeParse(digest);
  if (parsed.success) return { planDigest: parsed.data };
  throw new ProblemError(problemOfParse('header Plan-Digest', parsed.error));
}
