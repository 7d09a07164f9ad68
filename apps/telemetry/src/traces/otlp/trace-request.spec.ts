import { describe, expect, it } from 'vitest';
import { spansOfRequest } from './trace-request.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';

/** A span as OTLP's JSON has it. */
function span(changes: object = {}): object {
  return {
    traceId,
    spanId: 'b7ad6b7169203331',
    parentSpanId: '',
    name: 'swap',
    kind: 2,
    startTimeUnixNano: '1760000000123456789',
    endTimeUnixNano: '1760000000223456789',
    attributes: [],
    status: {},
    ...changes,
  };
}

function request(...spans: unknown[]): object {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'agent' } }] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'x' }, spans }] }] };
}

describe('a trace request', () => {
  it('becomes spans with times in milliseconds and the service of their resource', () => {
    const { spans, rejected } = spansOfRequest(request(span()));
    expect(rejected).toBe(0);
    expect(spans).toEqual([
      {
        traceId,
        spanId: 'b7ad6b7169203331',
        parentSpanId: null,
        service: 'agent',
        name: 'swap',
        kind: 'server',
        startMs: 1_760_000_000_123.456,
        endMs: 1_760_000_000_223.456,
        error: null,
        attributes: {},
      },
    ]);
  });

  it('keeps every kind of attribute as a text, number or boolean', () => {
    const attributes = [
      { key: 'text', value: { stringValue: 'a' } },
      { key: 'integer', value: { intValue: '42' } },
      { key: 'huge', value: { intValue: '9223372036854775807' } },
      { key: 'fraction', value: { doubleValue: 0.5 } },
      { key: 'yes', value: { boolValue: true } },
      { key: 'list', value: { arrayValue: { values: [{ stringValue: 'b' }] } } },
      { key: 'nothing' },
    ];
    expect(spansOfRequest(request(span({ attributes }))).spans[0]?.attributes).toEqual({
      text: 'a',
      integer: 42,
      huge: '9223372036854775807',
      fraction: 0.5,
      yes: true,
      list: '{"arrayValue":{"values":[{"stringValue":"b"}]}}',
      nothing: '',
    });
  });

  it('tells a failure with its message', () => {
    const failed = span({ status: { code: 2, message: 'the pool is full' } });
    const silent = span({ status: { code: 2 } });
    expect(spansOfRequest(request(failed, silent)).spans.map(({ error }) => error)).toEqual([
      'the pool is full',
      'failed',
    ]);
  });

  it('never ends before it began', () => {
    const { spans } = spansOfRequest(request(span({ endTimeUnixNano: 1 })));
    expect(spans[0]?.endMs).toBe(spans[0]?.startMs);
  });

  it.each([
    ['no trace id', { traceId: undefined }],
    ['a trace id of zeros', { traceId: '0'.repeat(32) }],
    ['a short span id', { spanId: 'b7ad' }],
    ['a parent that is no id', { parentSpanId: 'parent' }],
    ['no start', { startTimeUnixNano: undefined }],
    ['a start that is no number', { startTimeUnixNano: 'yesterday' }],
  ])('loses a span with %s, and only that one', (_what, changes) => {
    const { spans, rejected, reason } = spansOfRequest(request(span(changes), span(), 'not a span'));
    expect([spans.length, rejected]).toEqual([1, 2]);
    expect(reason).not.toBeNull();
  });

  it('ignores what it does not know, and takes a request without spans', () => {
    expect(spansOfRequest({ ...request(span({ news: 1 })), more: true }).spans).toHaveLength(1);
    expect(spansOfRequest({}).spans).toEqual([]);
  });

  it('bounds names, texts and the number of attributes', () => {
    const attributes = Array.from({ length: 100 }, (_, n) => ({
      key: `a${n}`,
      value: { stringValue: 'x'.repeat(5_000) },
    }));
    const kept = spansOfRequest(request(span({ name: 'n'.repeat(5_000), attributes }))).spans[0];
    expect(kept?.name).toHaveLength(200);
    expect(Object.keys(kept?.attributes ?? {})).toHaveLength(64);
    expect(kept?.attributes['a0']).toHaveLength(1_000);
  });
});
