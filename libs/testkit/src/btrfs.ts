import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { InstalledTools } from './installed-tools.js';

const run = promisify(execFile);

/** How old the counts of what files take may be: btrfs writes them with each commit, every 30 s by default. */
const COMMIT_SECONDS = 2;

export interface BtrfsImage {
  /** Made sparse, of `sizeBytes`, where it is not there yet. */
  readonly image: string;
  readonly directory: string;
  readonly sizeBytes: number;
}

/**
 * Mounts an image of btrfs, with accounting of what subvolumes take. Needs root and loop devices: throws where this
 * machine has no such thing.
 */
export async function mountBtrfs(
  { image, directory, sizeBytes }: BtrfsImage,
  { btrfs, mkfsBtrfs }: Pick<InstalledTools, 'btrfs' | 'mkfsBtrfs'>,
): Promise<void> {
  if (!existsSync(image)) await makeImage(image, sizeBytes, mkfsBtrfs);
  await mkdir(directory, { recursive: true, mode: 0o711 });
  await run('mount', ['-t', 'btrfs', '-o', `loop,commit=${COMMIT_SECONDS}`, image, directory]);
  try {
    await run(btrfs, ['quota', 'enable', directory]);
  } catch (error) {
    await unmount(directory);
    throw error;
  }
}

/** Under another name until it is whole: a half-made one is never mounted. */
async function makeImage(image: string, sizeBytes: number, mkfsBtrfs: string): Promise<void> {
  const unfinished = `${image}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  await file.truncate(sizeBytes);
  await file.close();
  await run(mkfsBtrfs, ['--quiet', unfinished]);
  await rename(unfinished, image);
}

/** Where something is mounted beneath a folder; each as a path that begins with `folder`. */
export async function mountsBeneath(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const real = await realpath(folder);
  const points = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  return points
    .map(unescaped)
    .filter((point) => point.startsWith(`${real}/`))
    .map((point) => `${folder}${point.slice(real.length)}`);
}

/** Blanks and the like stand in mountinfo as a backslash with three octal digits, see proc(5). */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Nothing may use it any more. The image stays. */
export async function unmount(directory: string): Promise<void> {
  await run('umount', [directory]);
}
