import { describe, expect, test } from 'vitest';
import { isAway } from './away.js';

const coded = (code: string) => Object.assign(new Error('said by the server'), { code });

describe('an error of the database', () => {
  test.each(['57P01', '57P02', '57P03', '08006', '25P03', '53300', 'ECONNREFUSED', 'ECONNRESET'])(
    '%s says that it is away',
    (code) => {
      expect(isAway(coded(code))).toBe(true);
    },
  );

  test.each(['Connection terminated unexpectedly', 'timeout exceeded when trying to connect'])(
    '"%s" says that it is away',
    (message) => {
      expect(isAway(new Error(message))).toBe(true);
    },
  );

  test.each(['23505', '40001', '57014', '42P01'])('%s is an answer', (code) => {
    expect(isAway(coded(code))).toBe(false);
  });
});
