import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { QsdPoolConfig } from '../config.js';
import { Daemon, giveToDataPlane, makePassage, makePrivateDirectory } from '../daemon/daemon.js';
import { readIfThere } from '../daemon/processes.js';
import { refused, unavailable } from '../errors.js';
import { addFileNode } from '../graph/file-node.js';
import { QmpCommandError } from '../qmp/errors.js';
import { blockExportsReply, nothing } from '../qmp/replies.js';
import { dataPath, writeDurably, type LegRecord } from './leg-record.js';

/** What a holder opens the leg with: TLS with a pre-shared key of 256 random bits. */
export interface LegCredentials {
  readonly identity: string;
  readonly key: Uint8Array;
}

const KEY_BYTES = 32;
/** Only tells keys of one leg and epoch apart, of which there are as many as were lost. */
const IDENTITY_BYTES = 4;
/**
 * The holder has one connection for the leg's volume, and one for each of sixteen clones of its snapshot; a second of each
 * is its next one, while the first is still found dead.
 */
const MAX_CONNECTIONS = 34;
const exportId = (epoch: number): string => `serve.${epoch}`;
export const exportNameOf = (legId: string, epoch: number): string => `${legId}.${epoch}`;

/**
 * Serves the legs of a pool over NBD with TLS, one daemon per leg, so that cutting off one leg's holder touches no
 * other. The key of each epoch lies beneath the pool's directory, for the daemon reads it at every handshake.
 */
export class LegServer {
  readonly #config: QsdPoolConfig;

  constructor(config: QsdPoolConfig) {
    this.#config = config;
  }

  /** The epoch that is served now; null when none is. */
  async servedEpoch(legId: string): Promise<number | null> {
    const daemon = this.#daemon(legId);
    if ((await daemon.pid()) === null) return null;
    try {
      return await exportedEpoch(daemon);
    } finally {
      await daemon.qmp.close();
    }
  }

  /** Serves the leg and gives the port; `remember` stores the port before anyone can connect. */
  async serve(
    record: LegRecord,
    epoch: number,
    holderCardId: string,
    usedPorts: ReadonlySet<number>,
    remember: (port: number) => Promise<void>,
  ): Promise<void> {
    const daemon = this.#daemon(record.legId);
    try {
      // One that serves nothing, or another epoch, was cut short or is to be fenced: it begins anew.
      if ((await daemon.pid()) !== null && (await exportedEpoch(daemon)) !== epoch) await daemon.kill();
      else if ((await daemon.pid()) !== null) return;
      const directory = await this.#makeKey(record.legId, epoch, holderCardId);
      await daemon.start();
      await this.#setUp(daemon, record, epoch, directory, usedPorts, remember);
    } finally {
      await daemon.qmp.close();
    }
  }

  /** Ends serving at once: connections die with the daemon, and the keys of all epochs are gone. */
  async stop(legId: string): Promise<void> {
    await this.#daemon(legId).kill();
    await rm(this.#keyDirectory(legId), { recursive: true, force: true });
  }

  async credentials(legId: string, epoch: number): Promise<LegCredentials | null> {
    const text = await readIfThere(join(this.#keyDirectory(legId), String(epoch), 'keys.psk'));
    const [, identity, hex] = /^([^:]+):([0-9a-f]+)\n$/.exec(text ?? '') ?? [];
    return identity === undefined || hex === undefined ? null : { identity, key: Buffer.from(hex, 'hex') };
  }

  async #setUp(
    daemon: Daemon,
    record: LegRecord,
    epoch: number,
    keyDirectory: string,
    usedPorts: ReadonlySet<number>,
    remember: (port: number) => Promise<void>,
  ): Promise<void> {
    const { qmp } = daemon;
    await addFileNode(qmp, 'leg', dataPath(this.#config.directory, record), record.compression !== null);
    await qmp.execute(
      'object-add',
      { 'qom-type': 'tls-creds-psk', id: 'tls', endpoint: 'server', dir: keyDirectory },
      nothing,
    );
    await remember(await this.#bind(daemon, record, usedPorts));
    const details = {
      type: 'nbd',
      id: exportId(epoch),
      'node-name': 'leg',
      name: exportNameOf(record.legId, epoch),
      writable: true,
    };
    await qmp.execute('block-export-add', details, nothing);
  }

  /** Takes the leg's own port and no other: its holder knows that one. Before it has one, the first that is free. */
  async #bind(daemon: Daemon, { legId, port: ownPort }: LegRecord, usedPorts: ReadonlySet<number>): Promise<number> {
    const { listen, poolId } = this.#config;
    if (listen === null) throw refused('step-failed', `pool ${poolId} is not configured to listen`);
    for (const port of ownPort === null ? freePorts(listen, usedPorts) : [ownPort]) {
      if (await startsServing(daemon, listen.host, port)) return port;
    }
    if (ownPort !== null)
      throw unavailable(
        `port ${ownPort} of ${legId} is taken by another process on ${listen.host}: free it. The leg's holder reaches it there only, so it is served at no other`,
      );
    throw unavailable(
      `pool ${poolId} has no free port from ${listen.firstPort} to ${listen.lastPort} on ${listen.host}: give it more`,
    );
  }

  async #makeKey(legId: string, epoch: number, holderCardId: string): Promise<string> {
    const { directory, dataPlaneUser } = this.#config;
    await makePassage(join(directory, 'keys'));
    await makePassage(this.#keyDirectory(legId));
    const keyDirectory = join(this.#keyDirectory(legId), String(epoch));
    if ((await this.credentials(legId, epoch)) === null) {
      // A key that is made anew has a new name, or its holder would never be told of it.
      const identity = `${holderCardId}.${legId}.${epoch}.${randomBytes(IDENTITY_BYTES).toString('hex')}`;
      await makePrivateDirectory(keyDirectory, null);
      await writeDurably(join(keyDirectory, 'keys.psk'), `${identity}:${randomBytes(KEY_BYTES).toString('hex')}\n`);
    }
    await giveToDataPlane(join(keyDirectory, 'keys.psk'), dataPlaneUser);
    await giveToDataPlane(keyDirectory, dataPlaneUser);
    return keyDirectory;
  }

  #keyDirectory(legId: string): string {
    return join(this.#config.directory, 'keys', legId);
  }

  #daemon(legId: string): Daemon {
    return new Daemon(this.#config, legId, { 'bso.leg.id': legId });
  }
}

/** Ports that no leg of this pool has. */
function freePorts(listen: { firstPort: number; lastPort: number }, usedPorts: ReadonlySet<number>): number[] {
  const range = Array.from({ length: listen.lastPort - listen.firstPort + 1 }, (_, index) => listen.firstPort + index);
  return range.filter((port) => !usedPorts.has(port));
}

/** Whether the daemon listens there now; false when another process does. */
async function startsServing(daemon: Daemon, host: string, port: number): Promise<boolean> {
  const addr = { type: 'inet', data: { host, port: String(port) } };
  try {
    await daemon.qmp.execute(
      'nbd-server-start',
      { addr, 'tls-creds': 'tls', 'max-connections': MAX_CONNECTIONS },
      nothing,
    );
    return true;
  } catch (cause) {
    if (cause instanceof QmpCommandError && cause.description.includes('Address already in use')) return false;
    throw cause;
  }
}

async function exportedEpoch(daemon: Daemon): Promise<number | null> {
  const exports = await daemon.qmp.execute('query-block-exports', {}, blockExportsReply);
  for (const { id } of exports) {
    const [, epoch] = /^serve\.(\d+)$/.exec(id) ?? [];
    if (epoch !== undefined) return Number(epoch);
  }
  return null;
}
