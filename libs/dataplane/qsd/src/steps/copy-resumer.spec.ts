import { expect, test } from 'vitest';
import { mayResume, restMs } from './copy-resumer.js';

const GIB = 1024 ** 3;

function resumesAfter(doneBytes: number): number {
  let resumes = 0;
  while (mayResume(resumes, doneBytes)) resumes += 1;
  return resumes;
}

test('a copy that stops is resumed eight times, once more for each 64 MiB that it copied, and a hundred times at most', () => {
  expect([0, GIB / 16 - 1, GIB / 16, GIB, 1024 * GIB].map(resumesAfter)).toEqual([8, 8, 9, 24, 100]);
});

test('it rests for longer each time, and for a second at most', () => {
  expect([0, 1, 2, 3, 4, 5, 99].map(restMs)).toEqual([50, 100, 200, 400, 800, 1000, 1000]);
});
