import { MAX_MESSAGE_BYTES, type Span } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import { traceOf, withinMessage } from './trace-of.js';

function span(spanId: string, parentSpanId: string | null): Span {
  return {
    traceId: 't',
    spanId,
    parentSpanId,
    service: 's',
    name: 'n',
    kind: 'internal',
    startMs: 0,
    endMs: 1,
    error: null,
    attributes: {},
  };
}

/** So many spans beneath a first one, each with attributes. */
const long = (count: number) =>
  traceOf(
    't',
    Array.from({ length: count }, (_, n) => ({
      ...span(String(n).padStart(16, '0'), n === 0 ? null : '0'.repeat(16)),
      startMs: n,
      attributes: { text: 'x'.repeat(500) },
    })),
  );

it('a trace whose every parent is there has no orphan', () => {
  expect(traceOf('t', [span('a', null), span('b', 'a'), span('c', 'b')]).orphanSpanIds).toEqual([]);
});

it('a span whose parent is missing is an orphan, and its children are not', () => {
  expect(traceOf('t', [span('a', null), span('b', 'lost'), span('c', 'b')]).orphanSpanIds).toEqual(['b']);
});

it('spans are in the order of time, and those that began at once from the outside in', () => {
  const late = { ...span('late', null), startMs: 5 };
  const { spans } = traceOf('t', [late, span('c', 'b'), span('b', 'a'), span('a', null)]);
  expect(spans.map(({ spanId }) => spanId)).toEqual(['a', 'b', 'c', 'late']);
});

it("spans that are each other's parents do no harm", () => {
  expect(traceOf('t', [span('a', 'b'), span('b', 'a')]).spans).toHaveLength(2);
});

it('a trace that fits no message loses its attributes, and then its end', () => {
  const bare = withinMessage(long(1_000));
  expect([bare.spans.length, bare.truncated, bare.spans[0]?.attributes]).toEqual([1_000, false, {}]);
  const cut = withinMessage(long(10_000));
  expect([cut.truncated, cut.orphanSpanIds, cut.spans[0]?.startMs]).toEqual([true, [], 0]);
  expect(cut.spans.length).toBeGreaterThan(1_000);
  expect(Buffer.byteLength(JSON.stringify(cut))).toBeLessThan(MAX_MESSAGE_BYTES);
});
