import type { CompressionAlgorithm, DesiredCardLeg, DesiredLeg } from '@flexbso/contracts';
import type { CardSecrets } from '@flexbso/dataplane-port';
import { eventually, installedTools } from '@flexbso/testkit';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QsdCardDataPlane } from '../card/qsd-card-data-plane.js';
import type { LaunchConfig, QsdCardOptions, QsdPoolOptions } from '../config.js';
import { Daemon } from '../daemon/daemon.js';
import { dataPath } from '../pool/leg-record.js';
import { QsdPoolDataPlane } from '../pool/qsd-pool-data-plane.js';
import { NbdClient } from '../nbd/nbd-client.js';

/** One installed QEMU. */
export interface Qemu {
  readonly name: string;
  readonly qemuStorageDaemonPath: string;
}

/** The QEMU that setup found or fetched. */
export function setupQemu(): Qemu {
  const { qemuStorageDaemon, versions } = installedTools();
  return { name: `QEMU ${versions.qemu}`, qemuStorageDaemonPath: qemuStorageDaemon };
}

/** That one, and the system's own where it is another. */
export function installedQemus(): Qemu[] {
  const ofSetup = setupQemu();
  const system = { name: "the system's QEMU", qemuStorageDaemonPath: '/usr/bin/qemu-storage-daemon' };
  const hasOther =
    system.qemuStorageDaemonPath !== ofSetup.qemuStorageDaemonPath && existsSync(system.qemuStorageDaemonPath);
  return hasOther ? [ofSetup, system] : [ofSetup];
}

export const testCardId = 'card-1';
/** Found by its bytes wherever it leaks. */
export const testVolumeKey = (): Uint8Array => Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + 11) % 256);

export interface SiteOptions {
  readonly poolCapacityBytes?: number;
  readonly card?: Partial<QsdCardOptions>;
  /** Where pools lie, instead of in the site's own folder, and what compresses there. */
  readonly pools?: { readonly directory: string; readonly btrfsPath: string };
}

/** A card with a pool in its own host and one over the network, in a temporary directory. */
export class QsdSite {
  readonly directory: string;
  readonly cardOptions: QsdCardOptions;
  readonly hostPoolOptions: QsdPoolOptions;
  readonly networkPoolOptions: QsdPoolOptions;
  card: QsdCardDataPlane;
  hostPool: QsdPoolDataPlane;
  networkPool: QsdPoolDataPlane;
  readonly #networkLegs = new Set<string>();
  readonly #compressed = new Map<string, CompressionAlgorithm>();

  private constructor(directory: string, qemu: Qemu, port: number, options: SiteOptions) {
    this.directory = directory;
    const dataPlaneUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : null;
    const { qemuStorageDaemonPath } = qemu;
    const budget = { iops: 100_000, bytesPerSecond: 1_000_000_000 };
    this.cardOptions = {
      qemuStorageDaemonPath,
      dataPlaneUser,
      runDirectory: join(directory, 'card'),
      functions: [{ functionId: 'fn-1', kind: 'vf', protocols: ['nbd', 'virtio-blk'] }],
      budget: { ...budget, memoryBytes: 1_000_000_000, armCentiCores: 800 },
      ...options.card,
    };
    const pools = options.pools?.directory ?? directory;
    const pool = {
      qemuStorageDaemonPath,
      btrfsPath: options.pools?.btrfsPath ?? null,
      dataPlaneUser,
      budget: { ...budget, capacityBytes: options.poolCapacityBytes ?? 4 * 1024 ** 3 },
    };
    this.hostPoolOptions = {
      ...pool,
      poolId: 'pool-host',
      reach: 'host',
      directory: join(pools, 'host-pool'),
      runDirectory: join(directory, 'hp'),
    };
    this.networkPoolOptions = {
      ...pool,
      poolId: 'pool-net',
      reach: 'network',
      directory: join(pools, 'net-pool'),
      runDirectory: join(directory, 'np'),
      listen: { host: '127.0.0.1', firstPort: port, lastPort: Math.min(port + 20, 65535) },
    };
    this.card = new QsdCardDataPlane(this.cardOptions);
    this.hostPool = new QsdPoolDataPlane(this.hostPoolOptions);
    this.networkPool = new QsdPoolDataPlane(this.networkPoolOptions);
  }

  static async make(qemu: Qemu, options: SiteOptions = {}): Promise<QsdSite> {
    const directory = await mkdtemp(join(tmpdir(), 'qsd-'));
    await chmod(directory, 0o711);
    return new QsdSite(directory, qemu, await freePort(), options);
  }

  readonly secrets: CardSecrets = {
    volumeKey: () => Promise.resolve(testVolumeKey()),
    legKey: async (legId) =>
      this.#networkLegs.has(legId) ? ((await this.networkPool.served(legId))?.access ?? null) : null,
  };

  /** Creates and serves a leg, and gives it as a card's desired state names it. */
  async makeLeg(
    reach: 'host' | 'network',
    legId: string,
    sizeBytes: number,
    compression?: CompressionAlgorithm,
  ): Promise<DesiredCardLeg> {
    if (compression !== undefined) this.#compressed.set(legId, compression);
    const pool = reach === 'host' ? this.hostPool : this.networkPool;
    if (reach === 'network') this.#networkLegs.add(legId);
    const context = { desired: desiredLeg(legId, sizeBytes), signal: new AbortController().signal };
    await pool.perform(
      { kind: 'create-leg', legId, sizeBytes, ...(compression === undefined ? {} : { compression }) },
      context,
    );
    await pool.perform({ kind: 'serve-leg', legId, epoch: 1, holderCardId: testCardId }, context);
    const served = await pool.served(legId);
    if (served === null) throw new Error(`${legId} is not served`);
    return {
      legId,
      poolId: reach === 'host' ? 'pool-host' : 'pool-net',
      epoch: 1,
      sizeBytes,
      address: served.address,
      access: null,
    };
  }

  async growLeg(legId: string, fromSizeBytes: number, sizeBytes: number): Promise<void> {
    const pool = this.#networkLegs.has(legId) ? this.networkPool : this.hostPool;
    const context = { desired: desiredLeg(legId, sizeBytes), signal: new AbortController().signal };
    await pool.perform({ kind: 'grow-leg', legId, fromSizeBytes, sizeBytes }, context);
  }

  legFile(legId: string): string {
    const { directory } = this.#networkLegs.has(legId) ? this.networkPoolOptions : this.hostPoolOptions;
    return dataPath(directory, { legId, compression: this.#compressed.get(legId) ?? null });
  }

  async scribble(legId: string): Promise<void> {
    const file = await open(this.legFile(legId), 'r+');
    await file.write(Buffer.from('somebody lives here'), 0, null, 1024 * 1024);
    await file.close();
  }

  nbdSocket(volumeId: string): string {
    return join(this.cardOptions.runDirectory, volumeId, 'nbd.sock');
  }

  async withGuest<T>(volumeId: string, use: (client: NbdClient) => Promise<T>): Promise<T> {
    const client = await NbdClient.open(this.nbdSocket(volumeId), volumeId);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  readonly guest = {
    write: (volumeId: string, offset: number, bytes: Buffer) =>
      this.withGuest(volumeId, async (client) => {
        await client.write(offset, bytes);
        await client.flush();
      }),
    read: (volumeId: string, offset: number, length: number) =>
      this.withGuest(volumeId, async (client) => client.read(offset, length)),
  };

  async restartCard(difference: Partial<QsdCardOptions> = {}): Promise<QsdCardDataPlane> {
    await this.card.close();
    this.card = new QsdCardDataPlane({ ...this.cardOptions, ...difference });
    return this.card;
  }

  /** Ends a volume's daemon without a word, as a crash does, or as a shutdown does; its run directory stays. */
  async killVolume(volumeId: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const pid = await this.daemonIn(this.cardOptions.runDirectory, volumeId).pid();
    if (pid === null) throw new Error(`no daemon of ${volumeId} runs`);
    process.kill(pid, signal);
    await eventually('the daemon is gone', () => !existsSync(`/proc/${pid}/exe`));
  }

  /** Ends a network leg's daemon without a word, as a crash does. */
  async killLegServer(legId: string): Promise<void> {
    await this.daemonIn(this.networkPoolOptions.runDirectory, legId).kill();
  }

  daemonIn(runDirectory: string, name: string): Daemon {
    return new Daemon(launchOf(this.cardOptions, runDirectory), name);
  }

  async dispose(): Promise<void> {
    await this.card.close();
    for (const runDirectory of [
      this.cardOptions.runDirectory,
      this.hostPoolOptions.runDirectory,
      this.networkPoolOptions.runDirectory,
    ]) {
      await mkdir(runDirectory, { recursive: true });
      for (const name of await readdir(runDirectory)) await this.daemonIn(runDirectory, name).kill();
    }
    await rm(this.directory, { recursive: true });
  }
}

export function desiredLeg(legId: string, sizeBytes: number): DesiredLeg {
  return {
    legId,
    revision: 1,
    operationId: 'op-0123456789',
    changeId: 'chg-0123456789',
    volumeId: 'vol-0123456789',
    sizeBytes,
    epoch: 1,
    holder: { cardId: testCardId, sealingKey: `X${'A'.repeat(55)}` },
    role: 'preparing',
    tombstone: false,
    trace: {},
  };
}

function launchOf(options: QsdCardOptions, runDirectory: string): LaunchConfig {
  return {
    qemuStorageDaemonPath: options.qemuStorageDaemonPath,
    setprivPath: '/usr/bin/setpriv',
    prlimitPath: '/usr/bin/prlimit',
    runDirectory,
    dataPlaneUser: null,
    maxOpenFiles: 1024,
    startTimeoutMs: 20_000,
    commandTimeoutMs: 10_000,
  };
}

/** A port that was free a moment ago; the pool takes the next one when it no longer is. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
