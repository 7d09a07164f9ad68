import type { CardStep } from '@flexbso/contracts';
import { FIRST_MAJOR_WITH_RESIZE_NOTICE } from '../daemon/probe.js';
import { refused } from '../errors.js';
import { headStack, headWindow, type Graph, type StackWindow } from '../graph/graph.js';
import { HEAD, parseVolumeExport } from '../graph/node-names.js';
import { nothing, versionReply } from '../qmp/replies.js';
import { showWholeEncryption } from './encryption-steps.js';
import { exportVolume, isAttached, unexportVolume } from './export-steps.js';
import { showWholeFiles } from './leg-steps.js';
import { look, type StepScene } from './step-scene.js';
import { openWindow, takeWindowAway } from './window-steps.js';

type GrowHead = Extract<CardStep, { kind: 'grow-head' }>;

/**
 * Makes the head, and all that a file leg has beneath it, as large as the volume is to be. Never smaller. A window
 * beneath the head is first opened and taken away last: while it is there, the guest counts as not told.
 */
export async function growHead(scene: StepScene, step: GrowHead): Promise<void> {
  const graph = await look(scene);
  const head = graph.nodes.get(HEAD);
  if (head === undefined) throw refused('step-failed', `${scene.volumeId} has no head that could be grown`);
  const window = await usedWindow(scene, graph);
  if (window === null && head.sizeBytes === step.sizeBytes) return;
  // The daemon shrinks without complaint, and what is cut off is lost.
  if (head.sizeBytes > step.sizeBytes) {
    throw refused(
      'change-refused',
      `${scene.volumeId} has ${head.sizeBytes} bytes and is not shrunk to ${step.sizeBytes}`,
    );
  }
  await assertGuestIsTold(scene);
  const detached = await takeOffDetached(scene, graph);
  // Not by repointing the head: on QEMU 10.0.2 it then has the new size at once, and after a crash right there nothing
  // would tell that its guest was never told.
  if (window !== null) await openWindow(scene, graph, window, step.sizeBytes);
  const stackGeneration = headStack(graph);
  if (stackGeneration !== null) {
    await showWholeFiles(scene, graph, stackGeneration);
    await showWholeEncryption(scene, graph, stackGeneration);
  }
  await scene.daemon.qmp.execute('block_resize', { 'node-name': HEAD, size: step.sizeBytes }, nothing);
  if (window !== null) await takeWindowAway(scene, window);
  for (const shown of detached) await exportVolume(scene, { kind: 'export-volume', ...shown });
}

/** The window that the head stands on; one that it has left already is taken away. */
async function usedWindow(scene: StepScene, graph: Graph): Promise<StackWindow | null> {
  const window = headWindow(graph);
  if (window === null || window.isUsed) return window;
  await scene.daemon.qmp.execute('blockdev-del', { 'node-name': window.name }, nothing);
  return null;
}

async function assertGuestIsTold(scene: StepScene): Promise<void> {
  const { qemu } = await scene.daemon.qmp.execute('query-version', {}, versionReply);
  if (qemu.major >= FIRST_MAJOR_WITH_RESIZE_NOTICE) return;
  throw refused(
    'missing-capability',
    `qemu-storage-daemon ${qemu.major}.${qemu.minor} does not tell a guest of its device's new size: upgrade the card to QEMU ${FIRST_MAJOR_WITH_RESIZE_NOTICE}`,
  );
}

/**
 * Takes off each export that nobody is attached to, to be shown again at the new size: QEMU 10.0.2 was seen to crash
 * when it tells the guest of a vhost-user export that has none. Should the agent die before it is shown again, the
 * next look finds it missing.
 */
async function takeOffDetached(scene: StepScene, graph: Graph) {
  const exports = graph.exports.flatMap((id) => parseVolumeExport(id) ?? []);
  const detached: typeof exports = [];
  for (const shown of exports) {
    if (!(await isAttached(scene.daemon, shown.protocol))) detached.push(shown);
    else if (shown.protocol === 'nbd') {
      throw refused(
        'change-refused',
        `a client is connected to ${scene.volumeId} over NBD, which cannot tell it of a new size: disconnect it, or use virtio-blk`,
      );
    }
  }
  for (const shown of detached) await unexportVolume(scene, { kind: 'unexport-volume', ...shown });
  return detached;
}
