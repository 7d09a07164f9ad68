import { legIdSchema } from '@flexbso/contracts';
import { chmod, chown, lstat, mkdir, open, readdir, rm, statfs, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QsdPoolConfig } from '../config.js';
import { giveToDataPlane } from '../daemon/daemon.js';
import { refused } from '../errors.js';
import { LegCompression } from './leg-compression.js';
import {
  dataPath,
  readRecord,
  recordPath,
  syncDirectory,
  isUnfinishedRecord,
  writeRecord,
  type LegName,
  type LegRecord,
} from './leg-record.js';

/** Blocks of `stat` are of 512 bytes whatever the file system's own are. */
const STAT_BLOCK_BYTES = 512;

/** On ext4, deleting 256 MiB at once held up the writes of all other files by 40 to 50 ms; this much takes 2 to 3 ms. */
const RELEASE_BYTES = 16 * 1024 ** 2;

export interface LegFile {
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  /** There when it is compressed and what it takes is counted: what it would take uncompressed. */
  readonly uncompressedBytes?: number;
}

/** The legs of one pool as files of exactly the leg's size, sparse (see {@link dataPath}), each with its record `<legId>.json`. */
export class LegFiles {
  readonly #config: QsdPoolConfig;
  readonly #compression: LegCompression;
  #swept: Promise<void> | null = null;

  constructor(config: QsdPoolConfig, compression: LegCompression) {
    this.#config = config;
    this.#compression = compression;
  }

  /** Makes the pool's directory: everyone may pass through to a leg of their own, and list nothing. */
  async prepare(): Promise<void> {
    await mkdir(this.#config.directory, { recursive: true });
    await chmod(this.#config.directory, 0o711);
    this.#swept ??= this.#sweep();
    try {
      await this.#swept;
    } catch (cause) {
      // The next call tries again.
      this.#swept = null;
      throw cause;
    }
  }

  /** An agent that died while it wrote a record has left a part of it, perhaps of a leg that is not asked for again. */
  async #sweep(): Promise<void> {
    const { directory } = this.#config;
    const names = await readdir(directory);
    for (const name of names.filter(isUnfinishedRecord)) await rm(join(directory, name), { force: true });
  }

  async legIds(): Promise<string[]> {
    const names = await readdir(this.#config.directory);
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .filter((id) => legIdSchema.safeParse(id).success);
  }

  /** The leg's file as it is; null when there is none. */
  async file(leg: LegName & Pick<LegRecord, 'subvolumeId'>): Promise<LegFile | null> {
    try {
      const { size, blocks } = await lstat(dataPath(this.#config.directory, leg));
      // On btrfs these are the blocks of the content, not of what it was compressed to.
      const contentBytes = blocks * STAT_BLOCK_BYTES;
      const takenBytes = leg.subvolumeId === null ? null : await this.#compression.takenBytes(leg.subvolumeId);
      return takenBytes === null
        ? { sizeBytes: size, allocatedBytes: contentBytes }
        : { sizeBytes: size, allocatedBytes: takenBytes, uncompressedBytes: contentBytes };
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
      throw cause;
    }
  }

  /** Creates a leg that reads as zeros. `record` says whose; its size is that of the leg to be. */
  async create(record: LegRecord): Promise<void> {
    const { directory } = this.#config;
    const path = dataPath(directory, record);
    const there = await readRecord(directory, record.legId);
    if (there !== null && there.volumeId !== record.volumeId)
      throw refused(
        'needs-operator',
        `${record.legId} on pool ${this.#config.poolId} belongs to ${there.volumeId}, not to ${record.volumeId}`,
      );
    if (there !== null && there.sizeBytes > 0) return this.#assertCreated(there, record.sizeBytes);
    if (there === null && (await this.file(record)) !== null)
      throw refused(
        'needs-operator',
        `${path} is there without a record: what it holds is not known, and a new leg must read as zeros. Move it away`,
      );
    if (record.compression !== null) this.#compression.assertConfigured();
    await this.assertRoom(record.sizeBytes, record.legId);
    // The begun record comes first: only what it vouches for is ever thrown away and made again.
    await writeRecord(directory, { ...record, sizeBytes: 0 });
    await this.#makeFile(path, record.compression);
    const file = await open(path, 'r+');
    try {
      await file.truncate(record.sizeBytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(dirname(path));
    const subvolumeId = record.compression && (await this.#compression.subvolumeId(dirname(path)));
    await writeRecord(directory, { ...record, subvolumeId });
  }

  async #makeFile(path: string, compression: LegRecord['compression']): Promise<void> {
    if (compression !== null) return this.#compression.create(path, compression);
    await rm(path, { force: true });
    await (await open(path, 'wx', 0o600)).close();
  }

  async grow(record: LegRecord, sizeBytes: number): Promise<void> {
    const file = await this.#existing(record);
    if (file.sizeBytes > sizeBytes)
      throw refused('change-refused', `${record.legId} has ${file.sizeBytes} bytes and is not shrunk to ${sizeBytes}`);
    if (file.sizeBytes < sizeBytes) {
      await this.assertRoom(sizeBytes - file.sizeBytes, null);
      await truncate(dataPath(this.#config.directory, record), sizeBytes);
    }
    if (record.sizeBytes !== sizeBytes) await writeRecord(this.#config.directory, { ...record, sizeBytes });
  }

  async remove(record: LegRecord): Promise<void> {
    const { directory } = this.#config;
    const { legId } = record;
    const path = dataPath(directory, record);
    // The record goes last: while it is there, the pool still knows the leg.
    await this.#release(record);
    await rm(record.compression === null ? path : dirname(path), { recursive: true, force: true });
    await syncDirectory(directory);
    await rm(recordPath(directory, legId), { force: true });
    await syncDirectory(directory);
  }

  /** Gives a file's space back piece by piece: other legs' writes wait for as long as the file system frees one. */
  async #release(record: LegRecord): Promise<void> {
    const path = dataPath(this.#config.directory, record);
    const { sizeBytes } = (await this.file(record)) ?? { sizeBytes: 0 };
    for (let leftBytes = sizeBytes - RELEASE_BYTES; leftBytes > 0; leftBytes -= RELEASE_BYTES) {
      const begunAt = performance.now();
      await truncate(path, leftBytes);
      await sleep(performance.now() - begunAt);
    }
  }

  /** Opens the file to the data plane's user. */
  async giveToDataPlane(record: LegRecord): Promise<void> {
    await this.#existing(record);
    const { directory, dataPlaneUser } = this.#config;
    if (dataPlaneUser !== null) await giveToDataPlane(dataPath(directory, record), dataPlaneUser);
  }

  /** Closes the file to everybody but the agent; one that is gone is closed. */
  async takeFromDataPlane(record: LegRecord): Promise<void> {
    const { directory, dataPlaneUser } = this.#config;
    if (dataPlaneUser === null || (await this.file(record)) === null) return;
    await chown(dataPath(directory, record), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  }

  /** Bytes that the pool can give in all: what it was configured to, and never more than its file system has. */
  async capacityBytes(): Promise<number> {
    const { bsize, blocks } = await statfs(this.#config.directory);
    return Math.min(this.#config.budget.capacityBytes, bsize * blocks);
  }

  /** Legs are sparse, so what was promised counts, not what is used: a guest's write must never meet a full disk. */
  async assertRoom(sizeBytes: number, exceptLegId: string | null): Promise<void> {
    let [promisedBytes, unusedBytes] = [0, 0];
    for (const legId of await this.legIds()) {
      const record = legId === exceptLegId ? null : await readRecord(this.#config.directory, legId);
      const file = record && (await this.file(record));
      promisedBytes += file?.sizeBytes ?? 0;
      unusedBytes += Math.max(0, (file?.sizeBytes ?? 0) - (file?.allocatedBytes ?? 0));
    }
    const { bsize, bavail } = await statfs(this.#config.directory);
    const roomBytes = Math.min(this.#config.budget.capacityBytes - promisedBytes, bsize * bavail - unusedBytes);
    if (sizeBytes <= roomBytes) return;
    throw refused(
      'pool-full',
      `pool ${this.#config.poolId} has room for ${Math.max(0, roomBytes)} bytes, and ${sizeBytes} are asked for: delete legs, or give the pool more`,
      {
        poolId: this.#config.poolId,
        roomBytes: Math.max(0, roomBytes),
        askedBytes: sizeBytes,
      },
    );
  }

  async #assertCreated(record: LegRecord, sizeBytes: number): Promise<void> {
    const file = await this.#existing(record);
    if (file.sizeBytes !== sizeBytes)
      throw refused(
        'step-failed',
        `${record.legId} is there with ${file.sizeBytes} bytes, and ${sizeBytes} are to be created: a leg is grown, never made twice`,
      );
  }

  /** @throws DataPlaneError `needs-operator` for a leg whose bytes are not all there */
  async #existing(record: LegRecord): Promise<LegFile> {
    const file = await this.file(record);
    const damage = this.damageOf(record, file);
    if (file !== null && damage === null) return file;
    throw refused('needs-operator', damage ?? `${record.legId} was never made`);
  }

  /** Whether a leg's bytes are not all there, in words; null: they are, or were never made. A longer file is one that is being grown. */
  damageOf(record: LegRecord, file: LegFile | null): string | null {
    const { legId, sizeBytes } = record;
    if (sizeBytes <= (file?.sizeBytes ?? 0)) return null;
    const path = dataPath(this.#config.directory, record);
    const what = `the bytes of ${legId} are gone from pool ${this.#config.poolId}: ${path}`;
    return file === null
      ? `${what} is missing. It is not made anew: put it back, or delete the volume or move it away from this leg`
      : `${what} has ${file.sizeBytes} bytes, and ${sizeBytes} are recorded. It is neither served nor extended: put back the whole file, or delete the volume or move it away from this leg`;
  }
}
