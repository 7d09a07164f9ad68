import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstPace, nextPace, type Pace, type PaceBounds, paceBounds, watchMs } from './copy-pace.js';

const MIB = 1024 ** 2;
const boundsArbitrary = fc
  .record({
    most: fc.integer({ min: 1024, max: 4096 * MIB }),
    guestLimit: fc.option(fc.integer({ min: 4096, max: 4096 * MIB })),
  })
  .map(({ most, guestLimit }) => paceBounds(most, guestLimit));

/** Lets a copy go for so many decisions beside a guest that gets what `guestOf` says, in bytes a second. */
function paces(bounds: PaceBounds, decisions: number, guestOf: (copyBytesPerSecond: number) => number): Pace[] {
  const all = [firstPace(bounds)];
  for (let index = 0; index < decisions; index++) {
    const pace = all[index];
    if (!pace) break;
    const ms = watchMs(pace);
    all.push(nextPace(pace, { ms, bytes: (guestOf(pace.bytesPerSecond) * ms) / 1000 }, bounds));
  }
  return all;
}

describe('how fast a copy goes', () => {
  it('is never outside of its bounds, whatever its guest does', () => {
    fc.assert(
      fc.property(boundsArbitrary, fc.array(fc.nat({ max: 2 ** 31 })), (bounds, guest) => {
        let at = 0;
        for (const { bytesPerSecond } of paces(bounds, guest.length, () => guest[at++] ?? 0)) {
          expect(bytesPerSecond).toBeGreaterThanOrEqual(bounds.least);
          expect(bytesPerSecond).toBeLessThanOrEqual(bounds.most);
          expect(bounds.least).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('is all that it may be once it has listened and heard nobody', () => {
    fc.assert(
      fc.property(boundsArbitrary, (bounds) => {
        const [, second] = paces(bounds, 1, () => 0);
        expect(second?.bytesPerSecond).toBe(bounds.most);
      }),
    );
  });

  it('comes to all that it may be beside a guest that it does not hold back', () => {
    fc.assert(
      fc.property(boundsArbitrary, fc.integer({ min: 4 * MIB, max: 2 ** 31 }), (bounds, guest) => {
        expect(paces(bounds, 10, () => guest).at(-1)?.bytesPerSecond).toBe(bounds.most);
      }),
    );
  });

  it('leaves a guest more than half of what it had, as long as going slower helps', () => {
    // What the guest has falls with what the copy takes.
    const harmArbitrary = fc.double({ min: 0.1, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(harmArbitrary, fc.integer({ min: 16, max: 512 }), (harm, had) => {
        const bounds = paceBounds(256 * MIB, null);
        const guestOf = (copy: number) => had * MIB * (1 - (harm * copy) / bounds.most);
        const settled = paces(bounds, 60, guestOf).slice(4);
        const mean = settled.reduce((sum, { bytesPerSecond }) => sum + guestOf(bytesPerSecond), 0) / settled.length;
        expect(mean).toBeGreaterThan(0.5 * had * MIB);
      }),
    );
  });

  it('does not fall for what the guest borrows beyond its limits while the copy listens', () => {
    const bounds = paceBounds(256 * MIB, 10 * MIB);
    const greedy = (copy: number) => 10 * MIB + bounds.most - copy;
    const all = paces(bounds, 40, greedy);
    const copying = all.filter(({ guestHad }) => guestHad !== null).slice(4);
    expect(copying.every(({ bytesPerSecond }) => bytesPerSecond === bounds.most)).toBe(true);
  });

  it('is found anew when a guest awakes, or asks for less', () => {
    const bounds = paceBounds(256 * MIB, null);
    const [, , pace] = paces(bounds, 2, () => 0);
    if (!pace) throw new Error('no pace');
    expect(nextPace(pace, { ms: 500, bytes: 8 * MIB }, bounds)).toMatchObject({ guestHad: null });
    // Held back at first; then the guest itself wants a tenth of that.
    let now = 0;
    const fading = (copy: number) => (now++ < 10 ? 64 * MIB * (1 - (0.9 * copy) / bounds.most) : 6 * MIB);
    expect(paces(bounds, 60, fading).at(-1)?.bytesPerSecond).toBe(bounds.most);
  });
});
