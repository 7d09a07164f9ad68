import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from './answers.js';

const answer = fc.record({
  id: fc.nat(),
  status: fc.nat({ max: 255 }),
  output: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

describe("a guest's answers", () => {
  it('are the same in whatever pieces they come', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (answers, pieceBytes) => {
        const bytes = Buffer.concat(
          answers.flatMap(({ id, status, output }) => [Buffer.from(`${id} ${status} ${output.length}\n`), output]),
        );
        const reader = new AnswerReader();
        const read = [];
        for (let at = 0; at < bytes.length; at += pieceBytes)
          read.push(...reader.push(bytes.subarray(at, at + pieceBytes)));
        expect(read).toEqual(answers);
      }),
    );
  });

  it('are refused when they are none', () => {
    expect(() => new AnswerReader().push(Buffer.from('sh: not found\n'))).toThrow('not an answer of a guest');
    expect(() => new AnswerReader().push(Buffer.alloc(65, 'x'))).toThrow('not an answer of a guest');
    expect(() => new AnswerReader().push(Buffer.from('1 0 99999999999\n'))).toThrow('not an answer of a guest');
  });
});
