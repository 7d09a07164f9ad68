import { readFileSync } from 'node:fs';

/** What a guest is made of and run by; absolute paths. */
export interface GuestTools {
  /** qemu-system-x86_64 of the same QEMU as the storage daemon. */
  readonly qemuSystem: string;
  /** A Debian cloud kernel. */
  readonly kernel: string;
  /** The folder of that kernel's modules. */
  readonly modules: string;
  /** busybox, statically linked. */
  readonly busybox: string;
  /** Where images for guests are kept once they are built; made when it is first needed. */
  readonly cache: string;
}

/** Absolute paths of the programs that the system is run and tested with. A path starts its program as it is. */
export interface InstalledTools {
  /** nats-server, 2.10 or newer. */
  readonly natsServer: string;
  /** qemu-storage-daemon; a QEMU from the cache is started by a script that execs it, so the pid stays. */
  readonly qemuStorageDaemon: string;
  /** qemu-img of the same QEMU. */
  readonly qemuImg: string;
  /** fio, with its nbd engine. */
  readonly fio: string;
  /** setpriv of util-linux, which starts data planes without privileges. */
  readonly setpriv: string;
  /** Folder of PostgreSQL's server programs: initdb, postgres, pg_ctl. */
  readonly postgresBin: string;
  /** btrfs of btrfs-progs: a pool's agent compresses with it. */
  readonly btrfs: string;
  /** mkfs.btrfs of btrfs-progs. */
  readonly mkfsBtrfs: string;
  /** null on a machine whose architecture no guest is known for: any but x86-64. */
  readonly guest: GuestTools | null;
  /** Dotted version numbers, as the programs give them. */
  readonly versions: Readonly<Record<'natsServer' | 'qemu' | 'fio' | 'postgres', string>>;
}

/** The workspace has no record of its tools, or one from another version of tools/setup. Running setup cures it. */
export class ToolsNotInstalledError extends Error {
  override readonly name = 'ToolsNotInstalledError';
  readonly code = 'tools_not_installed';

  constructor(file: URL, what: string, options?: ErrorOptions) {
    super(`${file.pathname} ${what}: run 'npm run setup' in the workspace`, options);
  }
}

// The same depth below the workspace's root from src and from dist.
const recordFile = new URL('../../../.cache/tools.json', import.meta.url);

/**
 * Reads where tools/setup found the programs that tests and the stand-in cluster start.
 *
 * @param file what `tools/setup/setup.sh` wrote; the workspace's own by default
 * @throws ToolsNotInstalledError when there is no such record or it does not name every tool
 */
export function installedTools(file: URL = recordFile): InstalledTools {
  const record = readRecord(file);
  const path = (of: Record<string, unknown>, key: string): string => {
    const value = of[key];
    if (typeof value !== 'string' || value === '') throw new ToolsNotInstalledError(file, `names no ${key}`);
    return value;
  };
  const { versions, guest } = record;
  if (guest !== null && !isRecord(guest)) throw new ToolsNotInstalledError(file, 'names no guest');
  if (!isRecord(versions)) throw new ToolsNotInstalledError(file, 'names no versions');
  return {
    natsServer: path(record, 'natsServer'),
    qemuStorageDaemon: path(record, 'qemuStorageDaemon'),
    qemuImg: path(record, 'qemuImg'),
    fio: path(record, 'fio'),
    setpriv: path(record, 'setpriv'),
    postgresBin: path(record, 'postgresBin'),
    btrfs: path(record, 'btrfs'),
    mkfsBtrfs: path(record, 'mkfsBtrfs'),
    guest:
      guest === null
        ? null
        : {
            qemuSystem: path(guest, 'qemuSystem'),
            kernel: path(guest, 'kernel'),
            modules: path(guest, 'modules'),
            busybox: path(guest, 'busybox'),
            cache: path(guest, 'cache'),
          },
    versions: {
      natsServer: path(versions, 'natsServer'),
      qemu: path(versions, 'qemu'),
      fio: path(versions, 'fio'),
      postgres: path(versions, 'postgres'),
    },
  };
}

function readRecord(file: URL): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ToolsNotInstalledError(file, 'cannot be read', { cause });
  }
  if (!isRecord(parsed)) throw new ToolsNotInstalledError(file, 'is not a JSON object');
  return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
