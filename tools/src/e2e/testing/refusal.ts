import { z } from 'zod';
import { ApiError } from '../../api/client.js';

/** A refused request: its status and body, and what the body's problem says (RFC 9457). */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly body: string;
}

const problemDocument = z.looseObject({ type: z.string(), title: z.string(), status: z.number(), detail: z.string() });

/** Throws when the request was not refused, or failed in another way. */
export async function refusalOf(request: Promise<unknown>): Promise<Refusal> {
  const outcome = await request.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(outcome instanceof ApiError)) throw new Error('the request was not refused', { cause: outcome });
  const { status, body } = outcome;
  const { type, detail } = problemDocument.parse(JSON.parse(body));
  return { status, code: type.replace('urn:flexbso:problem:', ''), detail, body };
}
