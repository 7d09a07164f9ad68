import type { CompressionAlgorithm } from '@flexbso/contracts';
import { execFile } from 'node:child_process';
import { chmod, open, readFile, realpath, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { entriesOf, readIfThere } from '../daemon/processes.js';
import { refused } from '../errors.js';

const run = promisify(execFile);

/** `f_type` of statfs(2) on btrfs: BTRFS_SUPER_MAGIC of linux/magic.h. */
const BTRFS_MAGIC = 0x9123683e;
/** What btrfs calls them: its `deflate` is named after the library. */
const propertyOf: Readonly<Record<CompressionAlgorithm, string>> = { zstd: 'zstd', deflate: 'zlib' };
export const LEG_ALGORITHMS: readonly CompressionAlgorithm[] = ['zstd', 'deflate'];
/** Each command is one call into the kernel; what takes longer waits for a disk that does not answer. */
const COMMAND_TIMEOUT_MS = 10_000;
/** Where the kernel tells what each subvolume takes, to everyone (since Linux 5.9). */
const SYSFS = '/sys/fs/btrfs';
const PROBE_NAME = '.probe-compression';

/** What a pool needs to know of itself to compress legs. */
export interface CompressionSite {
  readonly poolId: string;
  readonly directory: string;
  /** The program of btrfs-progs; null: the pool is not to compress. */
  readonly btrfsPath: string | null;
}

/**
 * Files that btrfs compresses, each in a subvolume of its own: of a subvolume the kernel counts what it takes on the
 * disk, which it tells of no file. All of it works without privileges where quota accounting is on.
 */
export class LegCompression {
  readonly #site: CompressionSite;
  /** The folder of the kernel's counts for this file system; null: not found yet. */
  #counts: string | null = null;

  constructor(site: CompressionSite) {
    this.#site = site;
  }

  /** Why the pool cannot compress, as it was found by trying; null: it can. */
  async lack(): Promise<string | null> {
    const { directory, btrfsPath } = this.#site;
    if (btrfsPath === null)
      return 'no btrfs program is configured: set btrfsPath, and give the pool a directory on btrfs';
    const { type } = await statfs(directory);
    if (type !== BTRFS_MAGIC)
      return `${directory} is on a file system of type 0x${type.toString(16)}, which compresses no single file: give the pool a directory on btrfs`;
    const path = join(directory, PROBE_NAME);
    try {
      for (const algorithm of LEG_ALGORITHMS) await this.create(join(path, 'probe'), algorithm);
      if ((await this.takenBytes(await this.subvolumeId(path))) === null)
        return `what a file takes on ${directory} is not counted: switch accounting on with 'btrfs quota enable ${directory}'`;
      return null;
    } catch (cause) {
      return `trying to compress a file on ${directory} failed: ${reasonOf(cause)}`;
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  }

  /**
   * Makes an empty file in a subvolume of its own, which is compressed from its first byte on: what stood at either
   * path is gone.
   */
  async create(path: string, algorithm: CompressionAlgorithm): Promise<void> {
    const subvolume = dirname(path);
    await rm(subvolume, { recursive: true, force: true });
    await this.#btrfs('subvolume', 'create', subvolume);
    await chmod(subvolume, 0o711);
    await (await open(path, 'wx', 0o600)).close();
    await this.#btrfs('property', 'set', path, 'compression', propertyOf[algorithm]);
    const said = await this.#btrfs('property', 'get', path, 'compression');
    if (said.trim() !== `compression=${propertyOf[algorithm]}`)
      throw refused('step-failed', `${path} is to be compressed with ${algorithm}, and btrfs says '${said.trim()}'`);
  }

  /** @throws DataPlaneError `missing-capability` */
  assertConfigured(): string {
    const { btrfsPath, poolId } = this.#site;
    if (btrfsPath !== null) return btrfsPath;
    throw refused('missing-capability', `pool ${poolId} cannot compress a leg: no btrfs program is configured`);
  }

  /** Of the subvolume at a path; never given to another in the life of a file system. */
  async subvolumeId(path: string): Promise<number> {
    return Number((await this.#btrfs('inspect-internal', 'rootid', path)).trim());
  }

  /**
   * Bytes that a subvolume takes on the disk, as of the file system's last commit (every 30 s by default): its
   * compressed extents, whole while any of their bytes is used, and its own tree. Null: it is not counted.
   */
  async takenBytes(subvolumeId: number): Promise<number | null> {
    this.#counts ??= await countsOf(this.#site.directory);
    const text = this.#counts && (await readIfThere(join(this.#counts, `0_${subvolumeId}`, 'referenced')));
    return text === null ? null : Number(text);
  }

  async #btrfs(...words: string[]): Promise<string> {
    const btrfsPath = this.assertConfigured();
    // Nothing of the agent's environment: it may name credentials.
    const { stdout } = await run(btrfsPath, words, { timeout: COMMAND_TIMEOUT_MS, env: { LANG: 'C.UTF-8' } });
    return stdout;
  }
}

function reasonOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, ' ').slice(0, 300);
}

/** The kernel's folder of counts for the file system of a directory; null: it keeps none. */
async function countsOf(directory: string): Promise<string | null> {
  const device = deviceOf(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(directory));
  if (device === null) return null;
  const name = basename(await realpath(device));
  for (const uuid of await entriesOf(SYSFS)) {
    const devices = await entriesOf(join(SYSFS, uuid, 'devices'));
    if (!devices.includes(name)) continue;
    const counts = join(SYSFS, uuid, 'qgroups');
    return (await readIfThere(join(counts, 'enabled')))?.trim() === '1' ? counts : null;
  }
  return null;
}

/** From proc(5)'s mountinfo: the device of the last mounted btrfs that the path is on; null: it is on none. */
export function deviceOf(mountinfo: string, path: string): string | null {
  let best: { point: string; device: string | null } | null = null;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const point = unescaped(before?.split(' ')[4] ?? '');
    const [type, device] = after?.split(' ') ?? [];
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
    if (point === '' || !isAbove || (best !== null && best.point.length > point.length)) continue;
    best = { point, device: type === 'btrfs' && device !== undefined ? unescaped(device) : null };
  }
  return best?.device ?? null;
}

/** Blanks and the like stand there as a backslash with three octal digits. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
