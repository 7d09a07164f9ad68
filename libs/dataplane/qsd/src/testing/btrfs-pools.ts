import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installedTools, mountBtrfs, unmount } from '@flexbso/testkit';

const run = promisify(execFile);
/** Sparse; with room for btrfs's own reserves beside the largest pool of a test. */
const IMAGE_BYTES = 2 * 1024 ** 3;

/** A mounted image of btrfs for pools. Fails, and so does the test, where this machine lets us mount none. */
export class BtrfsPools {
  readonly #folder: string;
  readonly directory: string;
  readonly btrfsPath: string;

  private constructor(folder: string, btrfsPath: string) {
    this.#folder = folder;
    this.directory = join(folder, 'pools');
    this.btrfsPath = btrfsPath;
  }

  static async make(): Promise<BtrfsPools> {
    const tools = installedTools();
    const folder = await mkdtemp(join(tmpdir(), 'btrfs-'));
    await chmod(folder, 0o711);
    const pools = new BtrfsPools(folder, tools.btrfs);
    await mountBtrfs({ image: join(folder, 'image'), directory: pools.directory, sizeBytes: IMAGE_BYTES }, tools);
    await chmod(pools.directory, 0o711);
    return pools;
  }

  /** Writes all that is dirty, and with it the counts of what files take. */
  async commit(): Promise<void> {
    await run(this.btrfsPath, ['filesystem', 'sync', this.directory]);
  }

  async dispose(): Promise<void> {
    await unmount(this.directory);
    await rm(this.#folder, { recursive: true });
  }
}
