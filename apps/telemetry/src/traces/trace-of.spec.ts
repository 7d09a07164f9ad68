import type { Span } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import { traceOf } from './trace-of.js';

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
