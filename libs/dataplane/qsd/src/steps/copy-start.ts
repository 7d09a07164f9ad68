import type { CardStep } from '@flexbso/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { refused } from '../errors.js';
import { copyJobOf, type Graph, headChild, isHeld } from '../graph/graph.js';
import { copyJob, COPY_FILTER, formatExport, HEAD } from '../graph/node-names.js';
import { untraced } from '../qmp/qmp-client.js';
import { jobsReply, nothing } from '../qmp/replies.js';
import { abandonJob, dismiss } from './copy-end.js';
import { canBeginBehind } from './copy-follower.js';
import type { CopyPacer } from './copy-pacer.js';
import { COPY_PIECE_BYTES, copyGranularityBytes } from './copy-piece.js';
import { removeExport } from './export-steps.js';
import { HELD_MS, letThrough, release, whileHeld } from './held-guest.js';
import { look, type StepScene, type VolumeScene } from './step-scene.js';

type Copy = Extract<CardStep, { kind: 'copy' }>;
const LOOK_EVERY_MS = 2;

/** Starts the job, and has it know of each write of the guest from its beginning on. */
export async function startJob(
  scene: StepScene,
  step: Copy,
  graph: Graph,
  target: string,
  pacer: CopyPacer,
): Promise<void> {
  const isBehind = await canBeginBehind(scene);
  pacer.begin(isBehind ? 'behind' : 'in-step');
  const start = () =>
    scene.daemon.qmp.execute(
      'blockdev-mirror',
      {
        'job-id': copyJob(step.toStackGeneration),
        // Only a root node can be mirrored: the head itself.
        device: HEAD,
        target,
        replaces: headChild(graph),
        // `full` would first write zeros over all of the target; what an overlay does not hold, its base holds alone.
        sync: step.commits ? 'top' : 'full',
        'copy-mode': isBehind ? 'background' : 'write-blocking',
        speed: pacer.speed,
        granularity: isBehind ? copyGranularityBytes(step.bytes) : COPY_PIECE_BYTES,
        'buf-size': COPY_PIECE_BYTES,
        'filter-node-name': COPY_FILTER,
        // The outcome stays to be read after a crash of the agent; finalizing by hand was seen to stop the guest.
        'auto-dismiss': false,
        'auto-finalize': true,
        // It is resumed by whoever waits for it.
        'on-source-error': 'stop',
        'on-target-error': 'report',
      },
      nothing,
    );
  if (!step.commits) {
    await start();
    return;
  }
  try {
    await whileHeld(scene, graph, async (heldUntilMs) => {
      await start();
      if (!(await isListedInTime(scene, step, heldUntilMs))) throw listingTooSlow(scene);
    });
  } catch (cause) {
    await withoutDoubtfulStart(scene, await look(scene));
    throw cause;
  }
}

/**
 * Whether the job has listed what an overlay holds. Until then it takes no notice of writes (QEMU 10.0.2: `mirror_run`
 * tells its filter of the job only after `mirror_dirty_init`), and what is written behind the list's back would be
 * missing in the base. Of a copy of all there is no list.
 */
async function isListedInTime({ daemon }: StepScene, { toStackGeneration }: Copy, deadline: number): Promise<boolean> {
  while (performance.now() < deadline) {
    const jobs = await untraced(() => daemon.qmp.execute('query-jobs', {}, jobsReply));
    const job = jobs.find(({ id }) => id === copyJob(toStackGeneration));
    // What became of one that has ended already, the next look says.
    if (job === undefined || job['total-progress'] > 0 || !isBeginning(job.status)) return performance.now() < deadline;
    await sleep(LOOK_EVERY_MS);
  }
  return false;
}

const isBeginning = (status: string): boolean => status === 'created' || status === 'running' || status === 'paused';

const listingTooSlow = ({ volumeId }: StepScene) =>
  refused(
    'step-failed',
    `listing what the overlay of ${volumeId} holds took more than ${HELD_MS} ms, for which its guest was held: nothing was written back. Move the volume to other pools instead, which copies it flat`,
  );

/**
 * Of a copy whose beginning nobody saw to its end, nobody knows whether it missed a write: it is ended, and the guest let go.
 * @returns what there is now
 */
export async function withoutDoubtfulStart(scene: VolumeScene, graph: Graph): Promise<Graph> {
  if (!isHeld(graph)) return graph;
  const copy = copyJobOf(graph);
  if (copy !== null) {
    // It waits for what it reads through the head. One that goes along with the guest is torn away beneath no writes.
    if (copy.phase === 'behind') await letThrough(scene, graph);
    await abandonJob(scene, copy.toStackGeneration);
    await dismiss(scene, copy.toStackGeneration);
  }
  await removeExport(scene.daemon, formatExport(HEAD));
  await release(scene, graph);
  return look(scene);
}
