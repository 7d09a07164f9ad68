import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, BlockBook } from './block-book.js';

/** A volume of two blocks, both written. */
function written(tag = 1): { book: BlockBook; content: Buffer } {
  const book = new BlockBook(tag);
  const { number, content } = book.issue(0, 2);
  book.acknowledged(0, 2, number);
  return { book, content };
}

describe('the book of a volume', () => {
  it('finds nothing wrong with what was written, nor with zeros where nothing was', () => {
    const { book, content } = written();
    expect(book.newlyWrongBytesIn(Buffer.concat([content, Buffer.alloc(BLOCK_BYTES)]), 0)).toBe(0);
  });

  it('counts one wrong byte as one, and once', () => {
    const { book, content } = written();
    content[BLOCK_BYTES + 7] = 0xff;
    expect(book.newlyWrongBytesIn(content, 0)).toBe(1);
    expect(book.newlyWrongBytesIn(content, 0)).toBe(0);
  });

  it('finds what is whole but old, misplaced, or of another volume', () => {
    const { book, content: old } = written();
    const { number } = book.issue(0, 1);
    book.acknowledged(0, 1, number);
    expect(book.newlyWrongBytesIn(old.subarray(0, BLOCK_BYTES), 0)).toBeGreaterThan(0);
    const misplaced = written();
    expect(misplaced.book.newlyWrongBytesIn(misplaced.content.subarray(BLOCK_BYTES), 0)).toBeGreaterThan(0);
    expect(written().book.newlyWrongBytesIn(written(2).content, 0)).toBeGreaterThan(0);
  });

  it('takes either content of a write whose outcome is not known, and nothing else', () => {
    const { book, content: before } = written();
    const { content: after } = book.issue(0, 1);
    expect(book.newlyWrongBytesIn(before, 0)).toBe(0);
    expect(book.newlyWrongBytesIn(after, 0)).toBe(0);
    expect(book.newlyWrongBytesIn(Buffer.alloc(BLOCK_BYTES), 0)).toBeGreaterThan(0);
  });
});
