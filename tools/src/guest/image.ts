import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { GuestTools } from '@flexbso/testkit';
import { workspaceFolder } from '../cluster/folders.js';
import { DIRECTORY_MODE, PROGRAM_MODE, cpioArchive } from './cpio.js';
import type { ArchiveEntry } from './cpio.js';

const run = promisify(execFile);

/** In the order in which they must be loaded (seen on Debian 12's cloud kernel). */
const modules = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/char/virtio_console.ko',
  'drivers/block/virtio_blk.ko',
];
/** busybox's own gives no fractions of a second. */
const DATE = '/bin/date';

/**
 * The initramfs of a guest: busybox, this machine's fio with its libraries, the virtio modules, and our init. Built
 * into the cache once for what it is made of, and named after that. Returns its path.
 */
export async function guestImage(tools: GuestTools, fioPath: string): Promise<string> {
  const archive = cpioArchive(withFolders(await entries(tools, fioPath)));
  const image = join(tools.cache, `initramfs-${createHash('sha256').update(archive).digest('hex').slice(0, 16)}.cpio`);
  if (existsSync(image)) return image;
  await mkdir(tools.cache, { recursive: true });
  // Two that build at once write the same; a half-written one is never found.
  const unfinished = `${image}.${process.pid}`;
  await writeFile(unfinished, archive);
  await rename(unfinished, image);
  return image;
}

async function entries(tools: GuestTools, fioPath: string): Promise<ArchiveEntry[]> {
  const libraries = new Set([...(await librariesOf(fioPath)), ...(await librariesOf(DATE))]);
  return Promise.all([
    program('init', join(workspaceFolder, 'tools/guest/init')),
    program('bin/busybox', tools.busybox),
    program('usr/bin/fio', fioPath),
    program('usr/bin/date', DATE),
    ...[...libraries].map((library) => program(library.slice(1), library)),
    ...modules.map((module, index) =>
      program(`modules/${String(index).padStart(2, '0')}-${basename(module)}`, join(tools.modules, 'kernel', module)),
    ),
  ]);
}

async function program(path: string, from: string): Promise<ArchiveEntry> {
  return { path, mode: PROGRAM_MODE, content: await readFile(from) };
}

async function librariesOf(file: string): Promise<string[]> {
  return parseLdd((await run('ldd', [file])).stdout);
}

/** Absolute paths of the libraries that ldd lists, the loader among them. Throws when one was not found. */
export function parseLdd(text: string): string[] {
  const missing = /^\s*(\S+) => not found/m.exec(text)?.[1];
  if (missing !== undefined) throw new Error(`a library is missing on this machine: ${missing}`);
  return text.split('\n').flatMap((line) => /(?:=>\s+|^\s+)(\/\S+)/.exec(line)?.[1] ?? []);
}

/** The kernel makes no folder that is not listed before what is in it. */
export function withFolders(files: readonly ArchiveEntry[]): ArchiveEntry[] {
  const folders = new Set<string>();
  const add = (path: string): void => {
    const folder = dirname(path);
    if (folder === '.' || folders.has(folder)) return;
    add(folder);
    folders.add(folder);
  };
  for (const { path } of files) add(path);
  return [...[...folders].map((path) => ({ path, mode: DIRECTORY_MODE, content: Buffer.alloc(0) })), ...files];
}
