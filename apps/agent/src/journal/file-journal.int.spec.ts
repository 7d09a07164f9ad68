import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { syncFolder } from '../store/synced-file.js';
import { FileJournal } from './file-journal.js';

describe('a journal of files', () => {
  let folder: string;
  let journal: FileJournal;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flexbso-journal-'));
    journal = new FileJournal(folder);
  });
  afterEach(async () => {
    await journal.close();
    await rm(folder, { recursive: true });
  });
  const anew = async () => {
    await journal.close();
    journal = new FileJournal(folder);
    return journal;
  };

  it('gives what was appended, in order, to the next that opens it', async () => {
    await journal.append('vol-1', [{ a: 1 }, { b: 2 }]);
    await journal.append('vol-1', [{ c: 3 }]);
    expect(await (await anew()).read('vol-1')).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
    expect(await journal.names()).toEqual(['vol-1']);
  });

  it('is not made by a look at it', async () => {
    expect(await journal.read('vol-1')).toEqual([]);
    await journal.append('vol-2', [{ a: 1 }]);
    await journal.remove('vol-2');
    expect(await journal.read('vol-2')).toEqual([]);
    expect(await journal.names()).toEqual([]);
  });

  it('leaves a torn last line out, and does not write on behind it', async () => {
    await journal.append('vol-1', [{ a: 1 }]);
    await journal.close();
    await appendFile(join(folder, 'vol-1.jsonl'), '{"b":');
    expect(await (await anew()).read('vol-1')).toEqual([{ a: 1 }]);
    await journal.append('vol-1', [{ c: 3 }]);
    expect(await (await anew()).read('vol-1')).toEqual([{ a: 1 }, { c: 3 }]);
  });

  it('refuses to read over any other damage', async () => {
    await writeFile(join(folder, 'vol-1.jsonl'), '{"a":1}\n{"b":\n{"c":3}\n');
    await expect(journal.read('vol-1')).rejects.toThrow('line 2 is damaged');
  });

  it('reads what was mended behind its back, and goes on after that', async () => {
    const path = join(folder, 'vol-1.jsonl');
    await writeFile(path, '{"a":1}\n{"b":\n{"c":3}\n');
    await expect(journal.read('vol-1')).rejects.toThrow('line 2 is damaged');
    await writeFile(`${path}.mended`, '{"a":1}\n{"c":3}\n');
    await rename(`${path}.mended`, path);
    expect(await journal.read('vol-1')).toEqual([{ a: 1 }, { c: 3 }]);
    await journal.append('vol-1', [{ d: 4 }]);
    expect(await (await anew()).read('vol-1')).toEqual([{ a: 1 }, { c: 3 }, { d: 4 }]);
  });

  it('replaces all that is there, and can be appended to afterwards', async () => {
    await journal.append('vol-1', [{ a: 1 }, { b: 2 }]);
    await journal.replace('vol-1', [{ sum: 3 }]);
    await journal.append('vol-1', [{ d: 4 }]);
    expect(await (await anew()).read('vol-1')).toEqual([{ sum: 3 }, { d: 4 }]);
  });

  it('loses nothing that is appended after it was replaced and the name could not be made durable', async () => {
    let isFailing = false;
    const failing = new FileJournal(folder, async (path) => {
      if (isFailing) throw new Error('too many open files');
      await syncFolder(path);
    });
    await failing.append('vol-1', [{ a: 1 }, { b: 2 }]);
    isFailing = true;
    await expect(failing.replace('vol-1', [{ sum: 3 }])).rejects.toThrow('too many open files');
    await expect(failing.append('vol-1', [{ intent: 'never' }])).rejects.toThrow('too many open files');
    isFailing = false;
    await failing.append('vol-1', [{ intent: 'cut-over' }]);
    await failing.close();
    expect(await journal.read('vol-1')).toEqual([{ sum: 3 }, { intent: 'cut-over' }]);
  });

  it('is for its owner alone', async () => {
    await journal.append('vol-1', [{ a: 1 }]);
    expect((await stat(join(folder, 'vol-1.jsonl'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'vol-1.jsonl'), 'utf8')).toBe('{"a":1}\n');
  });

  it('forgets what is removed, and what a death left of replacing it', async () => {
    await journal.append('vol-1', [{ a: 1 }]);
    await writeFile(join(folder, 'vol-1.jsonl.new'), '{"a"');
    await journal.remove('vol-1');
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes no name that could leave its folder', async () => {
    await expect(journal.append('../vol-1', [])).rejects.toThrow('no name for a journal');
  });
});
