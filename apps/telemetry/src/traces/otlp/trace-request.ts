import type { Span } from '@flexbso/contracts';
import { z } from 'zod';

/** What was taken from a request, and how much of it was not a span. */
export interface ParsedSpans {
  readonly spans: Span[];
  readonly rejected: number;
  /** Why the first was rejected. */
  readonly reason: string | null;
}

/** A span with more attributes than this describes something else than a step. */
const maxAttributes = 64;
/** A QMP command or a SQL statement is recognised by its beginning. */
const maxTextLength = 1_000;
const maxNameLength = 200;

/**
 * Ids: hexadecimal in OTLP's JSON, bytes in protobuf. Of a length, and not all zero, which means "none".
 */
const idOf = (bytes: number) =>
  z
    .union([z.string(), z.instanceof(Uint8Array).transform((value) => Buffer.from(value).toString('hex'))])
    .transform((value) => value.toLowerCase())
    .pipe(z.string().regex(new RegExp(`^(?!0+$)[0-9a-f]{${bytes * 2}}$`), `an id of ${bytes} bytes, not all zero`));

/** Fixed 64-bit nanoseconds; protobuf decodes to text, JSON has text or a number. In ms since the epoch. */
const instant = z.union([z.string(), z.int()]).transform((value, context) => {
  const text = String(value);
  if (/^\d{1,20}$/.test(text)) return Number(BigInt(text) / 1_000n) / 1_000;
  context.addIssue({ code: 'custom', message: 'not a number of nanoseconds since the epoch' });
  return z.NEVER;
});

const attributes = z.array(z.object({ key: z.string(), value: z.unknown().optional() })).default([]);
/** Absent, empty text and empty bytes all mean: no parent. */
const parentId = z
  .union([z.literal(''), z.instanceof(Uint8Array).refine((bytes) => bytes.length === 0), idOf(8)])
  .nullish()
  .transform((value) => (typeof value === 'string' && value !== '' ? value : null));

const spanSchema = z.object({
  traceId: idOf(16),
  spanId: idOf(8),
  parentSpanId: parentId,
  name: z.string().default(''),
  kind: z.int().default(0),
  startTimeUnixNano: instant,
  endTimeUnixNano: instant,
  attributes,
  status: z.object({ code: z.int().default(0), message: z.string().default('') }).nullish(),
});

/** Unknown fields are ignored, as OTLP demands. Spans are parsed one by one, so that a bad one does not cost the rest. */
const requestSchema = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes }).nullish(),
        scopeSpans: z.array(z.object({ spans: z.array(z.unknown()).default([]) })).default([]),
      }),
    )
    .default([]),
});

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
/** OTLP's STATUS_CODE_ERROR. */
const statusError = 2;

/**
 * An ExportTraceServiceRequest, from JSON or decoded from protobuf, as our spans.
 * @throws ZodError when it is no such request at all.
 */
export function spansOfRequest(request: unknown): ParsedSpans {
  const spans: Span[] = [];
  let rejected = 0;
  let reason: string | null = null;
  for (const { resource, scopeSpans } of requestSchema.parse(request).resourceSpans) {
    const named = (resource?.attributes ?? []).find(({ key }) => key === 'service.name');
    const service = named === undefined ? 'unknown' : String(attributeOf(named.value)).slice(0, maxNameLength);
    for (const one of scopeSpans.flatMap((scope) => scope.spans)) {
      const parsed = spanSchema.safeParse(one);
      if (parsed.success) spans.push(spanOf(service, parsed.data));
      else {
        rejected += 1;
        reason ??= z.prettifyError(parsed.error);
      }
    }
  }
  return { spans, rejected, reason };
}

function spanOf(service: string, span: z.infer<typeof spanSchema>): Span {
  const { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, status } = span;
  const error = status?.code === statusError ? status.message.slice(0, maxTextLength) || 'failed' : null;
  return {
    traceId,
    spanId,
    parentSpanId,
    service,
    name: name.slice(0, maxNameLength),
    kind: kinds[kind] ?? 'internal',
    startMs: startTimeUnixNano,
    // A clock that was set back must not make a span end before it began.
    endMs: Math.max(startTimeUnixNano, endTimeUnixNano),
    error,
    attributes: attributesOf(span.attributes),
  };
}

function attributesOf(list: readonly { key: string; value?: unknown }[]): Span['attributes'] {
  const entries = list
    .slice(0, maxAttributes)
    .map(({ key, value }) => [key.slice(0, maxNameLength), attributeOf(value)]);
  return Object.fromEntries(entries);
}

const anyValueSchema = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: z.union([z.string(), z.number()]).optional(),
  doubleValue: z.number().optional(),
});

/** OTLP's AnyValue. Integers beyond 2^53 stay text, lists and maps become JSON text. */
function attributeOf(value: unknown): string | number | boolean {
  const parsed = anyValueSchema.safeParse(value);
  if (!parsed.success) return '';
  const { stringValue, boolValue, intValue, doubleValue } = parsed.data;
  if (stringValue !== undefined) return stringValue.slice(0, maxTextLength);
  if (intValue !== undefined) return Number.isSafeInteger(Number(intValue)) ? Number(intValue) : String(intValue);
  return boolValue ?? doubleValue ?? JSON.stringify(value ?? null).slice(0, maxTextLength);
}
