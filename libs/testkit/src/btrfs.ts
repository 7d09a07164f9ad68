import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
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
  if (!existsSync(image)) {
    const file = await open(image, 'wx', 0o600);
    await file.truncate(sizeBytes);
    await file.close();
    await run(mkfsBtrfs, ['--quiet', image]);
  }
  await mkdir(directory, { recursive: true, mode: 0o711 });
  await run('mount', ['-t', 'btrfs', '-o', `loop,commit=${COMMIT_SECONDS}`, image, directory]);
  await run(btrfs, ['quota', 'enable', directory]);
}

/** Nothing may use it any more. The image stays. */
export async function unmount(directory: string): Promise<void> {
  await run('umount', [directory]);
}
