import { context, propagation, trace, TraceFlags, type SpanContext } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contextOf, traceHeaders } from './trace.js';

const here: SpanContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.SAMPLED };

const sent = (extra?: Record<string, string>) =>
  context.with(trace.setSpanContext(context.active(), here), () => traceHeaders(extra));

describe('trace context in headers', () => {
  beforeAll(() => {
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  afterAll(() => {
    propagation.disable();
    context.disable();
  });

  it('reaches the receiver', () => {
    expect(trace.getSpanContext(contextOf(sent()))).toMatchObject({ traceId: here.traceId, spanId: here.spanId });
  });

  it('is the one that the sender was given, where it was given one', () => {
    const traceparent = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
    expect(trace.getSpanContext(contextOf(sent({ traceparent })))).toMatchObject({ traceId: 'c'.repeat(32) });
  });

  it('is absent where the message carries none', () => {
    const received = context.with(trace.setSpanContext(context.active(), here), () => contextOf(undefined));
    expect(trace.getSpanContext(received)).toBeUndefined();
  });
});
