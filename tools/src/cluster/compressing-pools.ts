import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mountBtrfs, mountsBeneath, unmount } from '@flexbso/testkit';
import type { InstalledTools } from '@flexbso/testkit';
import { entriesOf } from '../files/entries-of.js';
import type { ClusterFolders } from './folders.js';

/** Sparse: it takes what is written. Half of a pool's budget, which its agent then lowers to what there is. */
const IMAGE_BYTES = 16 * 1024 ** 3;

/** Which pools are to lie on btrfs, so that they can compress. */
export interface Compressing {
  readonly poolIds: readonly string[];
  /** Fail where this machine does not let us mount; else such a pool lies where the others do, and says what it lacks. */
  readonly isRequired: boolean;
}

/** Mounts an image of btrfs as the directory of each of these pools, made where there is none yet. */
export async function mountCompressing(
  folders: ClusterFolders,
  { poolIds, isRequired }: Compressing,
  tools: InstalledTools,
  say: (line: string) => void,
): Promise<void> {
  const mounted = await mountsBeneath(folders.pools);
  for (const poolId of poolIds) {
    const place = { directory: join(folders.pools, poolId), image: `${join(folders.pools, poolId)}.btrfs` };
    const isKept = existsSync(place.image);
    // What a pool has already is not covered by a mount.
    if (mounted.includes(place.directory) || (!isKept && (await entriesOf(place.directory)).length > 0)) continue;
    try {
      await mountBtrfs({ ...place, sizeBytes: IMAGE_BYTES }, tools);
    } catch (error) {
      // Without its image a pool would look as if it had lost its legs.
      if (isKept || isRequired) throw new Error(`${poolId} cannot be mounted from ${place.image}`, { cause: error });
      await rm(place.image, { force: true });
      say(`${poolId} does not compress: this machine lets us mount no image of btrfs (${lastLineOf(error)})`);
    }
  }
}

/** Ends what was mounted; nothing may use it any more. The images stay. */
export async function unmountCompressing(folders: ClusterFolders): Promise<void> {
  for (const directory of await mountsBeneath(folders.pools)) await unmount(directory);
}

function lastLineOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').at(-1) ?? 'no reason given';
}
