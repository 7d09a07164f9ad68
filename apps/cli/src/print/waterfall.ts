import type { Span, Trace } from '@flexbso/contracts';
import { durationText } from './words.js';

/** A stretch of a trace in which no span is open; times in ms from the start of the trace. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

const barWidth = 32;
/** Shorter ones are the bus's way from one process to the next, and clocks' differences. */
const shortestGapMs = 50;

interface Placed {
  readonly span: Span;
  readonly depth: number;
  readonly orphan: boolean;
}

/**
 * The trace as a waterfall: a line for each span beneath its parent, its bar on one scale of time; orphans, and the
 * times in which nothing is recorded, are marked.
 */
export function waterfallLines(trace: Trace): string[] {
  if (trace.spans.length === 0) return [`trace ${trace.traceId} has no spans yet`];
  const startMs = Math.min(...trace.spans.map((span) => span.startMs));
  const endMs = Math.max(...trace.spans.map((span) => span.endMs));
  const totalMs = Math.max(endMs - startMs, 0.001);
  const placed = inOrder(trace);
  const nameWidth = Math.min(64, Math.max(...placed.map(({ span, depth }) => depth * 2 + labelOf(span).length)));
  const lines = placed.map(({ span, depth, orphan }) => {
    const label = `${'  '.repeat(depth)}${labelOf(span)}`.slice(0, nameWidth).padEnd(nameWidth);
    const offset = `+${(span.startMs - startMs).toFixed(1)}`.padStart(10);
    const lasted = durationText(span.endMs - span.startMs).padStart(9);
    const marks = `${orphan ? '  ! orphan' : ''}${span.error === null ? '' : `  ! ${span.error}`}`;
    return `${offset} ${lasted} |${barOf(span, startMs, totalMs)}| ${label}${marks}`.trimEnd();
  });
  return [...lines, '', ...gapLines(gapsOf(trace)), summaryOf(trace, totalMs)];
}

/** Where nothing is recorded for at least 50 ms between the first span and the last. */
export function gapsOf(trace: Trace): Gap[] {
  const sorted = trace.spans.toSorted((a, b) => a.startMs - b.startMs);
  const startMs = sorted[0]?.startMs ?? 0;
  const gaps: Gap[] = [];
  let coveredMs = startMs;
  for (const span of sorted) {
    if (span.startMs - coveredMs >= shortestGapMs)
      gaps.push({ fromMs: coveredMs - startMs, toMs: span.startMs - startMs });
    coveredMs = Math.max(coveredMs, span.endMs);
  }
  return gaps;
}

/** Each span after its parent, children by their start. What has no parent there, or is its own ancestor, is a root. */
function inOrder(trace: Trace): Placed[] {
  const known = new Set(trace.spans.map(({ spanId }) => spanId));
  const orphans = new Set(trace.orphanSpanIds);
  const byStart = trace.spans.toSorted((a, b) => a.startMs - b.startMs);
  const childrenOf = Map.groupBy(byStart, ({ parentSpanId }) => parentSpanId ?? '');
  const placed: Placed[] = [];
  const seen = new Set<string>();
  const place = (root: Span) => {
    // A stack of our own: a trace may be deeper than calls may nest.
    const open = [{ span: root, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { span, depth } = next;
      if (seen.has(span.spanId)) continue;
      seen.add(span.spanId);
      const hasNoParent = span.parentSpanId !== null && !known.has(span.parentSpanId);
      placed.push({ span, depth, orphan: hasNoParent || orphans.has(span.spanId) });
      const children = childrenOf.get(span.spanId) ?? [];
      open.push(...children.toReversed().map((child) => ({ span: child, depth: depth + 1 })));
    }
  };
  for (const span of byStart) if (span.parentSpanId === null || !known.has(span.parentSpanId)) place(span);
  for (const span of byStart) place(span);
  return placed;
}

const labelOf = ({ service, name }: Span) => `${service}: ${name}`;

function barOf(span: Span, startMs: number, totalMs: number): string {
  const at = Math.min(barWidth - 1, Math.floor(((span.startMs - startMs) / totalMs) * barWidth));
  const length = Math.max(1, Math.round(((span.endMs - span.startMs) / totalMs) * barWidth));
  return `${' '.repeat(at)}${'█'.repeat(Math.min(length, barWidth - at))}`.padEnd(barWidth);
}

const gapLines = (gaps: readonly Gap[]) =>
  gaps.map(
    ({ fromMs, toMs }) =>
      `! gap: nothing recorded from +${fromMs.toFixed(1)} to +${toMs.toFixed(1)} ms (${durationText(toMs - fromMs)})`,
  );

function summaryOf(trace: Trace, totalMs: number): string {
  const services = new Set(trace.spans.map(({ service }) => service));
  const counts = [
    `${trace.spans.length} spans of ${services.size} services in ${durationText(totalMs)}`,
    `${trace.orphanSpanIds.length} orphans`,
    `${gapsOf(trace).length} gaps`,
    ...(trace.truncated ? ['cut: there are more spans than these first ones'] : []),
  ];
  return `trace ${trace.traceId}: ${counts.join(', ')}`;
}
