import { expect, it } from 'vitest';
import { readWhole, writeWhole } from './synced-file.js';

/** A file that takes and gives at most three bytes at a time, and has room for no more than `roomBytes`. */
function slowFile(content: Buffer, roomBytes = content.length) {
  return {
    write: async (data: Buffer, offset: number, length: number, position: number) => {
      const bytesWritten = Math.min(3, length, Math.max(0, roomBytes - position));
      data.copy(content, position, offset, offset + bytesWritten);
      return { bytesWritten };
    },
    read: async (data: Buffer, offset: number, length: number, position: number) => ({
      bytesRead: content.copy(data, offset, position, Math.min(position + Math.min(3, length), content.length)),
    }),
  };
}

it('writes and reads the whole of what a file takes and gives in parts', async () => {
  const content = Buffer.alloc(14);
  await writeWhole(slowFile(content), Buffer.from('0123456789'), 4);
  expect((await readWhole(slowFile(content), 14)).toString('latin1')).toBe('\0\0\0\x000123456789');
});

it('never takes a part for the whole', async () => {
  const content = Buffer.alloc(14);
  await expect(writeWhole(slowFile(content, 8), Buffer.from('0123456789'), 4)).rejects.toThrow('only 4 of 10 bytes');
  await expect(readWhole(slowFile(content), 15)).rejects.toThrow('ends after 14 of 15 bytes');
});
