import { expect, test } from 'vitest';
import { LUKS_HEADER_BYTES, makeLuksHeader } from './header.js';

const key = new Uint8Array(32).fill(7);

test('a header is as large as the one that qemu-img makes, and says where the bytes begin', () => {
  const header = makeLuksHeader(key);
  expect(header).toHaveLength(LUKS_HEADER_BYTES);
  expect(LUKS_HEADER_BYTES).toBe(2_068_480);
  expect(header.readUInt32BE(104) * 512).toBe(LUKS_HEADER_BYTES);
});

test('two headers of one key share neither master key nor salts', () => {
  const [one, other] = [makeLuksHeader(key), makeLuksHeader(key)];
  for (const [start, end] of [
    [112, 132],
    [132, 164],
    [168, 208],
    [216, 248],
    [4096, 4608],
  ] as const) {
    expect(one.subarray(start, end).equals(other.subarray(start, end))).toBe(false);
  }
});
