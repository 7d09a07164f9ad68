import { describe, expect, it } from 'vitest';
import { DIRECTORY_MODE, PROGRAM_MODE, cpioArchive } from './cpio.js';
import { parseLdd, withFolders } from './image.js';

const file = (path: string, text = '') => ({ path, mode: PROGRAM_MODE, content: Buffer.from(text) });

describe("a guest's image", () => {
  it('lists every folder once, before what is in it', () => {
    const paths = withFolders([file('usr/lib/x/a.so'), file('init'), file('usr/bin/fio')]).map(({ path }) => path);
    expect(paths).toEqual(['usr', 'usr/lib', 'usr/lib/x', 'usr/bin', 'usr/lib/x/a.so', 'init', 'usr/bin/fio']);
  });

  it('is an archive of aligned records that ends with the trailer', () => {
    const archive = cpioArchive([
      { path: 'bin', mode: DIRECTORY_MODE, content: Buffer.alloc(0) },
      file('bin/a', 'hello'),
    ]);
    expect(archive.length % 4).toBe(0);
    const [folder, program, trailer] = archive.toString('latin1').split('070701').slice(1);
    expect(folder?.slice(8, 16)).toBe('000041ed');
    expect(program?.slice(8, 16)).toBe('000081ed');
    expect(program?.slice(48, 56)).toBe('00000005');
    expect(program).toContain('bin/a\0');
    expect(program).toContain('hello\0');
    expect(trailer).toContain('TRAILER!!!\0');
  });

  it('holds each library that a program needs, and its loader', () => {
    const text = [
      '\tlinux-vdso.so.1 (0x00007f)',
      '\tlibaio.so.1 => /lib/x86_64-linux-gnu/libaio.so.1 (0x00007f)',
      '\t/lib64/ld-linux-x86-64.so.2 (0x00007f)',
      '',
    ].join('\n');
    expect(parseLdd(text)).toEqual(['/lib/x86_64-linux-gnu/libaio.so.1', '/lib64/ld-linux-x86-64.so.2']);
  });

  it('is not built when a library is missing', () => {
    expect(() => parseLdd('\tlibnbd.so.0 => not found\n')).toThrow('libnbd.so.0');
  });
});
