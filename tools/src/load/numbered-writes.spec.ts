import { expect, it } from 'vitest';
import { blockOf, BlockNumbers } from './numbered-writes.js';

const content = (...numbers: number[]) => Buffer.concat(numbers.map(blockOf));

/** Two blocks: the first has write 1, the second write 2. */
function written(): BlockNumbers {
  const numbers = new BlockNumbers();
  for (const [block, number] of [
    [0, 1],
    [1, 2],
  ] as const) {
    numbers.issued(block, number);
    numbers.acknowledged(block, number);
  }
  return numbers;
}

it('takes what was acknowledged, and zeros where nothing was', () => {
  expect(written().wrongIn(content(1, 2, 0))).toEqual([]);
});

it('finds a write that was lost, one that came late, and one that came in parts', () => {
  expect(written().wrongIn(content(0, 2))).toEqual(['block 0 holds write 0, not 1']);
  expect(written().wrongIn(content(1, 7))).toEqual(['block 1 holds write 7, not 2']);
  const torn = content(1, 2);
  torn.writeUInt32BE(7, 2000);
  expect(written().wrongIn(torn)).toEqual(['block 0 holds parts of other writes than 1']);
});

it('takes the last write whose outcome is unknown either way, until a later one is acknowledged', () => {
  const numbers = written();
  numbers.issued(0, 3);
  expect(numbers.wrongIn(content(1, 2))).toEqual([]);
  expect(numbers.wrongIn(content(3, 2))).toEqual([]);
  const later = new BlockNumbers(numbers);
  later.issued(0, 4);
  later.acknowledged(0, 4);
  expect(later.wrongIn(content(3, 2))).toEqual(['block 0 holds write 3, not 4']);
  expect(numbers.wrongIn(content(4, 2))).not.toEqual([]);
});
