import { MAX_MESSAGE_BYTES, ProblemError } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageOf } from './paging.js';

interface Item {
  id: string;
  filling?: string;
}
const idOf = (item: Item) => item.id;

function readAll(items: Item[], pageSize: number): Item[][] {
  const pages: Item[][] = [];
  let pageToken: string | undefined;
  do {
    const page = pageOf(items, { pageSize, pageToken }, idOf);
    pages.push(page.items);
    pageToken = page.nextPageToken ?? undefined;
  } while (pageToken !== undefined);
  return pages;
}

describe('pages', () => {
  it('hold every item once, in order, whatever their size', () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/)).map((list) => list.toSorted());
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 10 }), (list, pageSize) => {
        const items = list.map((id) => ({ id }));
        expect(readAll(items, pageSize).flat()).toEqual(items);
      }),
    );
  });

  it('stay below the size of a message when items are large', () => {
    const items = Array.from({ length: 20 }, (_, n) => ({
      id: `c${String(n).padStart(2, '0')}`,
      filling: 'x'.repeat(120_000),
    }));
    const pages = readAll(items, 200);
    expect(pages.flat()).toHaveLength(20);
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(MAX_MESSAGE_BYTES);
  });

  it('refuse a token that is none', () => {
    expect(() => pageOf([{ id: 'a' }], { pageSize: 1, pageToken: '????' }, idOf)).toThrow(ProblemError);
  });
});
