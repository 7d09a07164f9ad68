import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { filesHolding, formsOf } from './search.js';

const folders: string[] = [];
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'flexbso-search-'));
  folders.push(path);
  return path;
}
afterEach(async () => {
  for (const path of folders.splice(0)) await rm(path, { recursive: true });
});

describe('the search for a key', () => {
  it('finds it in each form that it is usually written in', async () => {
    const key = randomBytes(32);
    const root = await folder();
    for (const [index, form] of formsOf(key).entries())
      await writeFile(join(root, `${index}`), Buffer.concat([randomBytes(100), form, randomBytes(100)]));
    expect(await filesHolding(root, formsOf(key))).toHaveLength(formsOf(key).length);
  });

  it('finds it across the border of two pieces, and nothing where it is not', async () => {
    const key = randomBytes(32);
    const root = await folder();
    await writeFile(join(root, 'with'), Buffer.concat([Buffer.alloc(4 * 1024 ** 2 - 7), key, Buffer.alloc(9)]));
    await writeFile(join(root, 'without'), Buffer.alloc(5 * 1024 ** 2));
    expect(await filesHolding(root, formsOf(key))).toEqual([join(root, 'with')]);
  });
});
