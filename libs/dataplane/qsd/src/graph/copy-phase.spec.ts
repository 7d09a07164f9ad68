import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { phaseOf, speedOf } from './copy-phase.js';

const MIB = 1024 ** 2;

describe('how a copy goes along', () => {
  it('is read back from the speed of its job, which is as good as the one that was meant', () => {
    const phaseArbitrary = fc.constantFrom('behind' as const, 'joining' as const, 'in-step' as const);
    fc.assert(
      fc.property(phaseArbitrary, fc.integer({ min: 1, max: 2 ** 50 }), (phase, bytesPerSecond) => {
        const speed = speedOf(phase, bytesPerSecond);
        expect(phaseOf(speed)).toBe(phase);
        expect(Math.abs(speed - bytesPerSecond)).toBeLessThanOrEqual(6);
        expect(speed).toBeGreaterThan(0);
      }),
    );
  });

  it('is behind at the speeds of old jobs, of which nothing is known', () => {
    expect(phaseOf(0)).toBe('behind');
    expect(phaseOf(64 * MIB + 3)).toBe('behind');
  });
});
