import { MAX_MESSAGE_BYTES, ProblemError, problemOfParse, problemSchema, type Problem } from '@flexbso/contracts';
import { z } from 'zod';

/** Every reply: what was asked for, or why not. */
export const replyEnvelopeSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), problem: problemSchema }),
]);
export type ReplyEnvelope = z.infer<typeof replyEnvelopeSchema>;

/** Schemas of a request and its reply, as `rpc.<service>.<verb>` of the contracts has them. */
export interface RequestSchemas<Request, Reply> {
  readonly request: z.ZodType<unknown, Request>;
  readonly reply: z.ZodType<Reply>;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes of a message as JSON. `where` names the message in the problem. Refuses what is too large or not JSON. */
export function decodeJson(data: Uint8Array, where: string): unknown {
  if (data.byteLength > MAX_MESSAGE_BYTES) {
    throw new ProblemError({
      code: 'body-too-large',
      detail: `${where} has ${data.byteLength} bytes; at most ${MAX_MESSAGE_BYTES} are accepted`,
      facts: { sizeBytes: data.byteLength, limitBytes: MAX_MESSAGE_BYTES },
    });
  }
  try {
    return JSON.parse(utf8.decode(data));
  } catch (cause) {
    throw new ProblemError({ code: 'malformed-json', detail: `${where} is not JSON` }, { cause });
  }
}

/** A value as the bytes of a message. `undefined` travels as null. Refuses what would be too large to be accepted. */
export function encodeJson(value: unknown, where: string): Uint8Array {
  const data = new TextEncoder().encode(JSON.stringify(value ?? null));
  if (data.byteLength > MAX_MESSAGE_BYTES) {
    throw new ProblemError({
      code: 'body-too-large',
      detail: `${where} would have ${data.byteLength} bytes; at most ${MAX_MESSAGE_BYTES} can be sent`,
      facts: { sizeBytes: data.byteLength, limitBytes: MAX_MESSAGE_BYTES },
    });
  }
  return data;
}

/** Parses, or throws the `invalid-request` problem that says where and which field. */
export function parseOrRefuse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse(where, parsed.error), { cause: parsed.error });
}

/** The reply that carries a value. */
export function valueReply(value: unknown, where: string): Uint8Array {
  return encodeJson({ ok: true, value: value ?? null } satisfies ReplyEnvelope, where);
}

/** The reply that carries a problem; without its facts where these would be too large to be sent. */
export function problemReply(problem: Problem): Uint8Array {
  const where = `the problem '${problem.code}'`;
  try {
    return encodeJson({ ok: false, problem } satisfies ReplyEnvelope, where);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { code, detail } = problem;
    return encodeJson({ ok: false, problem: { code, detail: detail.slice(0, 4000) } } satisfies ReplyEnvelope, where);
  }
}

/** What a reply holds; a problem in it is thrown. A reply that fits no schema is the answering service's failure. */
export function openReply<T>(data: Uint8Array, schema: z.ZodType<T>, where: string): T {
  const envelope = replyEnvelopeSchema.safeParse(decodeJson(data, where));
  if (!envelope.success) throw strangeReply(where, envelope.error);
  if (!envelope.data.ok) throw new ProblemError(envelope.data.problem);
  const value = schema.safeParse(envelope.data.value);
  if (!value.success) throw strangeReply(where, value.error);
  return value.data;
}

function strangeReply(where: string, error: z.ZodError): ProblemError {
  return new ProblemError({ ...problemOfParse(where, error), code: 'internal' }, { cause: error });
}
