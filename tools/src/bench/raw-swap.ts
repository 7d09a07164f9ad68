import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { InstalledTools } from '@flexbso/testkit';
import { z } from 'zod';
import { until } from '../api/until.js';
import { RawQmp } from './raw-qmp.js';

export interface RawSwapSetting {
  readonly tools: InstalledTools;
  readonly folder: string;
  readonly sizeBytes: number;
  readonly copyBytesPerSecond: number;
  /** A free port for the target. */
  readonly port: number;
}

/** The pieces of a copy that goes along with its guest, and what is copied in a moment: as a card's own copy has them. */
const PIECE_BYTES = 256 * 1024;
const SMALL_BYTES = 4 * 1024 ** 2;
const BEHIND_GRANULARITY_BYTES = 4096;
const LOOK_EVERY_MS = 250;

const jobsReply = z.array(
  z.looseObject({ status: z.string(), 'current-progress': z.number(), 'total-progress': z.number() }),
);

/**
 * A local file swapped for a file on an NBD server over TLS, beneath a head, by raw calls to the data plane: the
 * same bytes by the same way as a volume's move from its own pool to a remote one (`docs/design/copies.md`): behind the
 * guest in the background, and along with it when little is left. Returns the seconds from the first call that makes
 * the target until the old file is gone.
 */
export async function rawSwapSeconds(setting: RawSwapSetting): Promise<number> {
  const { folder, sizeBytes } = setting;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await fill(join(folder, 'old.raw'), sizeBytes);
  const source = await startDaemon(setting, 'source');
  let target: Daemon | null = null;
  try {
    await buildHead(source.qmp, join(folder, 'old.raw'));
    const start = performance.now();
    target = await startDaemon(setting, 'target');
    await serveTarget(target.qmp, setting);
    await swap(source.qmp, setting);
    await rm(join(folder, 'old.raw'));
    return (performance.now() - start) / 1000;
  } finally {
    await source.end();
    await target?.end();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Daemon {
  readonly qmp: RawQmp;
  end(): Promise<void>;
}

async function startDaemon({ tools, folder }: RawSwapSetting, name: string): Promise<Daemon> {
  const socket = join(folder, `${name}.sock`);
  const child = spawn(
    tools.qemuStorageDaemon,
    ['--chardev', `socket,id=qmp,path=${socket},server=on,wait=off`, '--monitor', 'chardev=qmp'],
    {
      stdio: 'ignore',
    },
  );
  await until(`the ${name} daemon listens`, 10_000, async () => existsSync(socket));
  const qmp = await RawQmp.connect(socket);
  return { qmp, end: () => end(child, qmp) };
}

async function end(child: ChildProcess, qmp: RawQmp): Promise<void> {
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  qmp.close();
  child.kill('SIGTERM');
  await gone;
}

const fileNode = (nodeName: string, filename: string) => ({
  driver: 'file',
  'node-name': nodeName,
  filename,
  cache: { direct: true },
  discard: 'unmap',
});

async function buildHead(qmp: RawQmp, file: string): Promise<void> {
  await qmp.execute('object-add', { 'qom-type': 'throttle-group', id: 'limits' });
  await qmp.execute('blockdev-add', fileNode('old', file));
  await qmp.execute('blockdev-add', {
    driver: 'throttle',
    'node-name': 'head',
    'throttle-group': 'limits',
    file: 'old',
  });
}

async function serveTarget(qmp: RawQmp, { folder, sizeBytes, port }: RawSwapSetting): Promise<void> {
  const file = join(folder, 'new.raw');
  await writeFile(file, '');
  await truncate(file, sizeBytes);
  await writeFile(join(folder, 'keys.psk'), `card:${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  await qmp.execute('object-add', { 'qom-type': 'tls-creds-psk', id: 'tls', endpoint: 'server', dir: folder });
  await qmp.execute('blockdev-add', fileNode('new', file));
  await qmp.execute('nbd-server-start', {
    addr: { type: 'inet', data: { host: '127.0.0.1', port: String(port) } },
    'tls-creds': 'tls',
  });
  await qmp.execute('block-export-add', { type: 'nbd', id: 'new', 'node-name': 'new', name: 'new', writable: true });
}

async function swap(qmp: RawQmp, { folder, port, copyBytesPerSecond }: RawSwapSetting): Promise<void> {
  await qmp.execute('object-add', {
    'qom-type': 'tls-creds-psk',
    id: 'tls',
    endpoint: 'client',
    dir: folder,
    username: 'card',
  });
  const server = { type: 'inet', host: '127.0.0.1', port: String(port) };
  await qmp.execute('blockdev-add', {
    driver: 'nbd',
    'node-name': 'new',
    server,
    export: 'new',
    'tls-creds': 'tls',
    discard: 'unmap',
  });
  const ready = qmp.event('BLOCK_JOB_READY');
  const completed = qmp.event('BLOCK_JOB_COMPLETED');
  await qmp.execute('blockdev-mirror', {
    'job-id': 'copy',
    device: 'head',
    target: 'new',
    replaces: 'old',
    sync: 'full',
    'copy-mode': 'background',
    speed: copyBytesPerSecond,
    granularity: BEHIND_GRANULARITY_BYTES,
    'buf-size': PIECE_BYTES,
    'filter-node-name': 'filter',
  });
  await littleIsLeft(qmp, ready);
  await qmp.execute('block-job-change', { id: 'copy', type: 'mirror', 'copy-mode': 'write-blocking' });
  // What was asked of the daemon before is done then: a write that began before the copy went along, too.
  await qmp.execute('transaction', { actions: [] });
  await ready;
  await qmp.execute('job-complete', { id: 'copy' });
  await completed;
  await qmp.execute('blockdev-del', { 'node-name': 'old' });
}

/** Nobody writes meanwhile: one round over everything is all that there is to copy. */
async function littleIsLeft(qmp: RawQmp, ready: Promise<void>): Promise<void> {
  const isReady = ready.then(() => true);
  for (;;) {
    const [job] = jobsReply.parse(await qmp.execute('query-jobs'));
    if (job === undefined || job.status === 'ready' || job.status === 'concluded') return;
    const [done, total] = [job['current-progress'], job['total-progress']];
    // While it clears its target it has no total yet.
    if (done > 0 && total - done <= SMALL_BYTES) return;
    if (await Promise.race([isReady, delay(LOOK_EVERY_MS, false)])) return;
  }
}

/** Random bytes, so that no layer finds zeros that it need not copy. */
async function fill(path: string, sizeBytes: number): Promise<void> {
  const piece = randomBytes(16 * 1024 ** 2);
  const file = await open(path, 'wx');
  try {
    for (let at = 0; at < sizeBytes; at += piece.length)
      await file.write(piece, 0, Math.min(piece.length, sizeBytes - at), at);
  } finally {
    await file.close();
  }
}
