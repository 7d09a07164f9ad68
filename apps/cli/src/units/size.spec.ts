import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSize, parseSize } from './size.js';

describe('sizes', () => {
  it.each([
    ['0B', 0],
    ['4096B', 4096],
    ['4KiB', 4096],
    ['256MiB', 268_435_456],
    ['1GiB', 1_073_741_824],
    ['64TiB', 70_368_744_177_664],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    'MiB',
    '256',
    '1.5GiB',
    '-1MiB',
    '+1MiB',
    '1 GiB',
    '1GB',
    '1gib',
    '1Gi',
    '1e3B',
    '1_000B',
    '9999999TiB',
    '0x10B',
  ])('"%s" is refused with what would be right', (text) => {
    expect(() => parseSize(text)).toThrow(RangeError);
  });

  it('are read back as they were written, when they are whole', () => {
    const whole = fc.tuple(fc.integer({ min: 1, max: 1023 }), fc.constantFrom('B', 'KiB', 'MiB', 'GiB', 'TiB'));
    fc.assert(
      fc.property(whole, ([count, unit]) => {
        expect(formatSize(parseSize(`${count}${unit}`))).toBe(`${count}${unit}`);
      }),
    );
  });
});
