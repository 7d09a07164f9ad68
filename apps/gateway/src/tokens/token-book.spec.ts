import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenBook } from './token-book.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-tokens-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const token = (secret: string, own: object = {}) => ({
  name: secret,
  tokenSha256: createHash('sha256').update(secret).digest('hex'),
  role: 'operator',
  tenantId: null,
  expiresAtMs: null,
  ...own,
});
async function fileOf(name: string, content: unknown, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  await chmod(path, mode);
  return path;
}

describe('the book of tokens', () => {
  it('does not open a file that is missing, open to others, or no list of tokens', async () => {
    await expect(TokenBook.open(join(folder, 'missing'))).rejects.toMatchObject({ code: 'token_file_unreadable' });
    await expect(TokenBook.open(await fileOf('open', [token('a')], 0o640))).rejects.toMatchObject({
      code: 'token_file_too_open',
    });
    const secretText = 'S3CRET is not JSON';
    const invalid = TokenBook.open(await fileOf('invalid', secretText));
    await expect(invalid).rejects.toMatchObject({ code: 'token_file_invalid' });
    await expect(invalid).rejects.not.toThrow('S3CRET');
    const unknownRole = [token('a', { role: 'god' })];
    await expect(TokenBook.open(await fileOf('role', unknownRole))).rejects.toThrow('0.role');
  });

  it('knows the caller of a token, whatever the case of the scheme', async () => {
    const book = await TokenBook.open(await fileOf('good', [token('a'), token('b', { tenantId: 'blue' })]));
    expect(await book.callerOf('Bearer b')).toEqual({ name: 'b', role: 'operator', tenantId: 'blue' });
    expect(await book.callerOf('bearer a')).toMatchObject({ name: 'a' });
    for (const wrong of [
      undefined,
      '',
      'a',
      'Basic a',
      'Bearer',
      'Bearer a b',
      'Bearer c',
      `Bearer ${'x'.repeat(600)}`,
    ])
      await expect(book.callerOf(wrong)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('keeps the last good tokens while a changed file cannot be used', async () => {
    const path = await fileOf('changing', [token('a')]);
    const book = await TokenBook.open(path);
    await writeFile(path, 'half a fi');
    expect(await book.callerOf('Bearer a')).toMatchObject({ name: 'a' });
    await writeFile(path, JSON.stringify([token('b')]));
    expect(await book.callerOf('Bearer b')).toMatchObject({ name: 'b' });
    await expect(book.callerOf('Bearer a')).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
