import { MAX_MESSAGE_BYTES, type Span, type Trace } from '@flexbso/contracts';

/**
 * A trace in the order of time, and of spans that began at once the outer before the inner. Spans whose parent is not
 * among them are orphans: something is missing.
 */
export function traceOf(traceId: string, spans: readonly Span[]): Trace {
  const known = new Map(spans.map((span) => [span.spanId, span]));
  const depths = new Map(spans.map((span) => [span.spanId, depthOf(span, known)]));
  const depth = ({ spanId }: Span) => depths.get(spanId) ?? 0;
  const sorted = spans.toSorted((a, b) => a.startMs - b.startMs || depth(a) - depth(b));
  const orphans = sorted.filter(({ parentSpanId }) => parentSpanId !== null && !known.has(parentSpanId));
  return { traceId, spans: sorted, orphanSpanIds: orphans.map(({ spanId }) => spanId), truncated: false };
}

/** No trace of ours is deeper; and a broken one, whose spans are each other's parents, has no end. */
const maxDepth = 100;

function depthOf(span: Span, known: ReadonlyMap<string, Span>): number {
  let depth = 0;
  let parent = known.get(span.parentSpanId ?? '');
  while (parent !== undefined && depth < maxDepth) {
    depth += 1;
    parent = known.get(parent.parentSpanId ?? '');
  }
  return depth;
}

/**
 * The spans and their times matter most: a trace that would not fit into a message goes without attributes, and one
 * that does not fit even so ends with the last span that does.
 */
export function withinMessage(trace: Trace): Trace {
  const room = MAX_MESSAGE_BYTES - 1_000;
  if (sizeOf(trace) <= room) return trace;
  const spans = trace.spans.map((span) => ({ ...span, attributes: {} }));
  const bare = { ...trace, spans };
  if (sizeOf(bare) <= room) return bare;
  let bytes = sizeOf({ ...bare, spans: [], orphanSpanIds: [], truncated: true });
  const over = spans.findIndex((span) => {
    // An orphan is named once more; a comma each.
    bytes += sizeOf(span) + sizeOf(span.spanId) + 2;
    return bytes > room;
  });
  return { ...traceOf(trace.traceId, spans.slice(0, over === -1 ? spans.length : over)), truncated: true };
}

const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

/**
 * Heartbeats and measurements come all the time from every agent, each a trace of its own that nobody looks at: in a
 * store that is bounded by count they would push out every change.
 */
export function isBeat({ attributes }: Span): boolean {
  const subject = attributes['messaging.destination.template'];
  return typeof subject === 'string' && /\.up\.(heartbeat|measure)$/.test(subject);
}
