import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LegFaults, QUIET_MS } from './leg-faults.js';

const differs = {
  legId: 'leg-0000000001',
  kind: 'differs',
  offsetBytes: 4096,
  lengthBytes: 512,
  isWrittenOver: true,
} as const;
const failed = { ...differs, kind: 'write-failed', isWrittenOver: false } as const;

describe('what is told of bad legs', () => {
  it('is the first finding, at once, with its place', () => {
    const faults = new LegFaults();
    expect(faults.note(differs, 5)).toBe(true);
    const { isWrittenOver: _w, ...place } = differs;
    expect(faults.told).toEqual([{ ...place, findings: 1, firstAtMs: 5, lastAtMs: 5, repaired: false }]);
  });

  it('is one span that holds every finding of a leg and kind', () => {
    const span = fc.record({ offsetBytes: fc.nat(1e9), lengthBytes: fc.nat(1e6) });
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 50 }), (spans) => {
        const faults = new LegFaults();
        for (const one of spans) faults.note({ ...failed, ...one }, 0);
        faults.look(QUIET_MS);
        const [fault, ...others] = faults.told;
        expect(others).toEqual([]);
        expect(fault?.findings).toBe(spans.length);
        expect(fault?.offsetBytes).toBe(Math.min(...spans.map(({ offsetBytes }) => offsetBytes)));
        const ends = spans.map(({ offsetBytes, lengthBytes }) => offsetBytes + lengthBytes);
        expect((fault?.offsetBytes ?? 0) + (fault?.lengthBytes ?? 0)).toBe(Math.max(...ends));
      }),
    );
  });

  it('is little of a leg that is bad for a day', () => {
    const faults = new LegFaults();
    for (let second = 0; second < 86_400; second++) {
      faults.note(failed, second * 1000);
      faults.look(second * 1000);
    }
    expect(faults.version).toBe(17);
    faults.look(86_400_000 + QUIET_MS);
    expect(faults.told).toMatchObject([{ findings: 86_400, repaired: false }]);
    expect(faults.version).toBe(18);
  });

  it('is that it was repaired only after nothing more was found, and anew when something is', () => {
    const faults = new LegFaults();
    faults.note(differs, 0);
    faults.look(QUIET_MS - 1);
    expect(faults.told).toMatchObject([{ repaired: false }]);
    faults.look(QUIET_MS);
    expect(faults.told).toMatchObject([{ repaired: true }]);
    const said = faults.version;
    faults.look(2 * QUIET_MS);
    expect(faults.version).toBe(said);
    expect(faults.note(differs, 3 * QUIET_MS)).toBe(true);
    expect(faults.told).toMatchObject([{ repaired: false, findings: 1, firstAtMs: 3 * QUIET_MS }]);
  });

  it('is never that a leg was repaired whose operations fail', () => {
    const faults = new LegFaults();
    faults.note(failed, 0);
    faults.look(10 * QUIET_MS);
    expect(faults.told).toMatchObject([{ kind: 'write-failed', repaired: false }]);
  });

  it('ends with the leg', () => {
    const faults = new LegFaults();
    faults.note(differs, 0);
    faults.keep(new Set(['leg-0000000002']));
    expect(faults.told).toEqual([]);
  });
});
