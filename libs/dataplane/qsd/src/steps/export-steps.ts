import type { CardStep } from '@flexbso/contracts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Daemon } from '../daemon/daemon.js';
import { refused, unavailable } from '../errors.js';
import { HEAD, volumeExport } from '../graph/node-names.js';
import { blockExportsReply, nothing } from '../qmp/replies.js';
import { look, type StepScene } from './step-scene.js';

type Export = Extract<CardStep, { kind: 'export-volume' | 'unexport-volume' }>;

/** A guest of a few vCPUs has one queue each; more are ignored. */
const VIRTIO_QUEUES = 4;
/** Sixteen connections are far more than one client opens. */
const NBD_MAX_CONNECTIONS = 16;
/** Requests in flight are answered within this, or the disk hangs. */
const REMOVAL_TIMEOUT_MS = 30_000;
/** Without an event: how often a removal is looked at. */
const POLL_MS = 100;

export const nbdSocket = (daemon: Daemon): string => join(daemon.directory, 'nbd.sock');
export const vhostSocket = (daemon: Daemon): string => join(daemon.directory, 'vhost.sock');

/** How a client on the card's host reaches an export. */
export function exportUri(daemon: Daemon, volumeId: string, protocol: 'nbd' | 'virtio-blk'): string {
  return protocol === 'nbd'
    ? `nbd+unix:///${volumeId}?socket=${nbdSocket(daemon)}`
    : `vhost-user:${vhostSocket(daemon)}`;
}

/** The NBD server listens only on a socket in the daemon's private directory; it is there from the daemon's start. */
export function nbdServerArguments(daemon: Daemon): string[] {
  return ['--nbd-server', `addr.type=unix,addr.path=${nbdSocket(daemon)},max-connections=${NBD_MAX_CONNECTIONS}`];
}

export async function exportVolume(scene: StepScene, step: Export): Promise<void> {
  const graph = await look(scene);
  const id = volumeExport(step.protocol, step.functionId);
  if (graph.exports.includes(id)) return;
  if (!graph.nodes.has(HEAD)) throw refused('step-failed', `${scene.volumeId} has no head that could be exported`);
  const common = { id, 'node-name': HEAD, writable: true };
  if (step.protocol === 'nvme')
    throw refused('missing-capability', 'qemu-storage-daemon has no NVMe front end: use virtio-blk');
  const details =
    step.protocol === 'nbd'
      ? { type: 'nbd', name: scene.volumeId }
      : {
          type: 'vhost-user-blk',
          addr: { type: 'unix', path: vhostSocket(scene.daemon) },
          'num-queues': VIRTIO_QUEUES,
        };
  await scene.daemon.qmp.execute('block-export-add', { ...common, ...details }, nothing);
}

export async function unexportVolume(scene: StepScene, step: Export): Promise<void> {
  const id = volumeExport(step.protocol, step.functionId);
  if (!(await look(scene)).exports.includes(id)) return;
  if (step.protocol === 'virtio-blk' && (await isAttached(scene.daemon, 'virtio-blk'))) {
    throw unavailable(
      `a guest is attached to ${scene.volumeId} (${step.functionId}): its queue would break with requests in flight. Detach the device, or stop the guest, and the volume goes`,
    );
  }
  await removeExport(scene.daemon, id);
}

/** Removes an export and waits until it is gone; clients are disconnected. */
export async function removeExport({ qmp }: Daemon, id: string): Promise<void> {
  const deadline = performance.now() + REMOVAL_TIMEOUT_MS;
  const never = new AbortController().signal;
  for (;;) {
    const seenCount = qmp.eventCount;
    const exports = await qmp.execute('query-block-exports', {}, blockExportsReply);
    const entry = exports.find((candidate) => candidate.id === id);
    if (entry === undefined) return;
    if (performance.now() > deadline)
      throw unavailable(`the export ${id} is still shutting down after ${REMOVAL_TIMEOUT_MS} ms`);
    if (entry['shutting-down']) await qmp.nextEvent(seenCount, POLL_MS, never);
    else await qmp.execute('block-export-del', { id, mode: 'hard' }, nothing);
  }
}

/** Whether a client is attached to an export; its socket tells. */
export const isAttached = (daemon: Daemon, protocol: 'nbd' | 'virtio-blk'): Promise<boolean> =>
  isConnected(protocol === 'nbd' ? nbdSocket(daemon) : vhostSocket(daemon));

/** Whether anyone is connected to a listening Unix socket: the kernel lists each accepted connection under its path, in state 03. */
async function isConnected(path: string): Promise<boolean> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n');
  return lines.some((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[5] === '03');
}
