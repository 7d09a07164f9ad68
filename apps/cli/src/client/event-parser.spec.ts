import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventParser } from './event-parser.js';

const stream = `retry: 2000
: connected

id: 7
data: {"what":"a: b"}

: still here

event: gap
data: one
data: two

id: 8
data: ü

`;
const events = [
  { id: '7', event: 'message', data: '{"what":"a: b"}' },
  { id: null, event: 'gap', data: 'one\ntwo' },
  { id: '8', event: 'message', data: 'ü' },
];

describe('server-sent events', () => {
  it('are the same, however the stream is cut, and whatever ends its lines', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: stream.length * 2 }), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, fc.constantFrom('\n', '\r\n'), (at, lineEnd) => {
        const text = stream.replaceAll('\n', lineEnd);
        const ends = [...at, text.length].toSorted((a, b) => a - b);
        const parser = new EventParser();
        const pieces = ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end));
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(events);
      }),
    );
  });

  it('are refused when one never ends', () => {
    const parser = new EventParser();
    expect(() => parser.push(`data: ${'x'.repeat(5 * 1024 ** 2)}`)).toThrow(RangeError);
  });
});
