import type { Span } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapsOf, waterfallLines } from './waterfall.js';

const traceId = 'a'.repeat(32);
const span = (
  spanId: string,
  parentSpanId: string | null,
  startMs: number,
  endMs: number,
  own: Partial<Span> = {},
): Span => ({
  traceId,
  spanId,
  parentSpanId,
  service: 'scheduler',
  name: `span ${spanId}`,
  kind: 'internal',
  startMs: 1_000 + startMs,
  endMs: 1_000 + endMs,
  error: null,
  attributes: {},
  ...own,
});

describe('a waterfall', () => {
  const spans = [
    span('step', 'request', 200, 300, { service: 'agent', error: 'the device is busy' }),
    span('request', null, 0, 20, { service: 'gateway' }),
    span('commit', 'request', 5, 15),
    span('lost', 'nobody', 210, 220, { service: 'agent' }),
  ];

  it('has each span beneath its parent, with its time, and marks orphans, failures and gaps', () => {
    const lines = waterfallLines({ traceId, spans, orphanSpanIds: ['lost'], truncated: false });
    const labels = lines.slice(0, 4).map((line) => line.slice(line.lastIndexOf('|') + 2).replace(/ {2,}(?=!)/, ' '));
    expect(labels).toEqual([
      'gateway: span request',
      '  scheduler: span commit',
      '  agent: span step ! the device is busy',
      'agent: span lost ! orphan',
    ]);
    expect(lines[0]).toMatch(/^ +\+0\.0 +20 ms \|█+ +\| /);
    expect(lines).toContain('! gap: nothing recorded from +20.0 to +200.0 ms (180 ms)');
    expect(lines.at(-1)).toBe(`trace ${traceId}: 4 spans of 3 services in 300 ms, 1 orphans, 1 gaps`);
  });

  it('says when there is nothing yet', () => {
    expect(waterfallLines({ traceId, spans: [], orphanSpanIds: [], truncated: false })).toEqual([
      `trace ${traceId} has no spans yet`,
    ]);
  });

  it('shows every span once, whatever their parents are, even in a circle', () => {
    const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const any = fc.uniqueArray(fc.record({ id: ids, parent: fc.option(ids), at: fc.nat(500), for: fc.nat(500) }), {
      selector: ({ id }) => id,
      minLength: 1,
    });
    fc.assert(
      fc.property(any, (made) => {
        const all = made.map((one) => span(one.id, one.parent, one.at, one.at + one.for));
        const lines = waterfallLines({ traceId, spans: all, orphanSpanIds: [], truncated: false });
        for (const { name } of all) expect(lines.filter((line) => line.includes(name))).toHaveLength(1);
        for (const { fromMs, toMs } of gapsOf({ traceId, spans: all, orphanSpanIds: [], truncated: false }))
          expect(toMs - fromMs).toBeGreaterThanOrEqual(50);
      }),
    );
  });
});
