import { unavailable } from '../errors.js';
import { speedOf } from '../graph/copy-phase.js';
import { type CopyJob, copyJobOf, type Graph } from '../graph/graph.js';
import { copyJob } from '../graph/node-names.js';
import { QmpCommandError } from '../qmp/errors.js';
import { untraced } from '../qmp/qmp-client.js';
import { nothing } from '../qmp/replies.js';
import { look, type StepScene, type VolumeScene } from './step-scene.js';

/** Without an event: how often a copy is looked at. A person sees progress; the daemon answers in under a millisecond. */
export const POLL_MS = 250;
const CANCEL_TIMEOUT_MS = 30_000;
/** What a job answers a cancellation in; in the others it ends by itself. */
const CANCELLABLE = new Set(['created', 'running', 'paused', 'ready', 'standby']);
/** More than any disk gives. */
const UNBOUNDED_BYTES_PER_SECOND = 2 ** 40;

/**
 * Ends the copy without a cut-over. One that is behind ends at once. One that the guest's writes go along with must not
 * be torn away beneath them (`CopyPhase` says why): it is brought to where both stacks are the same, and let go there.
 */
export async function cancelJob(scene: StepScene, toStackGeneration: number): Promise<void> {
  const copy = copyJobOf(await look(scene));
  if (copy?.toStackGeneration === toStackGeneration && CANCELLABLE.has(copy.job.status)) {
    const found = copy.phase === 'behind' ? 'behind' : await finish(scene, copy);
    if (found === 'whole') await letGo(scene, copy.job.id);
    else if (found !== 'over') await tearAway(scene, copy.job.id);
  }
  await waitUntilConcluded(scene, CANCEL_TIMEOUT_MS);
}

/** Ends a copy whose target does not answer, and so holds back what goes along: what is in flight to it fails. */
export async function abandonJob(scene: VolumeScene, toStackGeneration: number): Promise<void> {
  await tearAway(scene, copyJob(toStackGeneration));
  await waitUntilConcluded(scene, CANCEL_TIMEOUT_MS);
}

/** Has a copy go on that stopped where it could not read. */
export const resumeJob = (scene: VolumeScene, id: string) => unlessOver(scene, 'job-resume', { id });

const tearAway = (scene: VolumeScene, id: string) => unlessOver(scene, 'job-cancel', { id });
const letGo = (scene: VolumeScene, device: string) => unlessOver(scene, 'block-job-cancel', { device, force: false });

/** A job may end by itself right before: then the daemon refuses, and there is nothing left to end. */
async function unlessOver(scene: VolumeScene, command: string, args: object): Promise<void> {
  try {
    await scene.daemon.qmp.execute(command, args, nothing);
  } catch (cause) {
    if (!(cause instanceof QmpCommandError)) throw cause;
    const status = copyJobOf(await look(scene))?.job.status;
    if (status !== undefined && CANCELLABLE.has(status)) throw cause;
  }
}

/** Has the copy come to its end as fast as it can: `whole`. It may be `over` before, or be `stuck`. */
async function finish(scene: StepScene, { job, phase }: CopyJob): Promise<'whole' | 'over' | 'stuck'> {
  const { daemon, config } = scene;
  const speed = speedOf(phase, UNBOUNDED_BYTES_PER_SECOND);
  await unlessOver(scene, 'block-job-set-speed', { device: job.id, speed });
  if (phase === 'joining') await goAlong(scene, job.id);
  // Seen to its end whatever the caller's signal says, as every cancellation is.
  const never = new AbortController().signal;
  let [doneBytes, movedAtMs] = [-1, performance.now()];
  for (;;) {
    const seenCount = daemon.qmp.eventCount;
    const now = copyJobOf(await untraced(() => look(scene)));
    if (now === null || !CANCELLABLE.has(now.job.status)) return 'over';
    if (now.isStopped) return 'stuck';
    if (now.job.status === 'ready') return 'whole';
    const done = now.job['current-progress'];
    if (done !== doneBytes) [doneBytes, movedAtMs] = [done, performance.now()];
    else if (performance.now() - movedAtMs > config.copyStallMs) return 'stuck';
    await daemon.qmp.nextEvent(seenCount, POLL_MS, never);
  }
}

/** From here on each new write of the guest goes to both stacks. Asked twice it is no more than once. */
export async function goAlong(scene: StepScene, jobId: string): Promise<void> {
  const args = { id: jobId, type: 'mirror', 'copy-mode': 'write-blocking' };
  await unlessOver(scene, 'block-job-change', args);
}

export async function waitUntilConcluded(scene: VolumeScene, timeoutMs: number): Promise<Graph> {
  const deadline = performance.now() + timeoutMs;
  // Not stopped by the caller's signal: what was asked of the daemon is seen to its end, which is bounded.
  const never = new AbortController().signal;
  for (;;) {
    const seenCount = scene.daemon.qmp.eventCount;
    const graph = await untraced(() => look(scene));
    const copy = copyJobOf(graph);
    if (copy === null || copy.job.status === 'concluded') return graph;
    // One that stopped where it could not read does not end by itself.
    if (copy.isStopped) await tearAway(scene, copy.job.id);
    if (performance.now() > deadline)
      throw unavailable(`the copy of ${scene.volumeId} is ${copy.job.status} and did not end within ${timeoutMs} ms`);
    await scene.daemon.qmp.nextEvent(seenCount, POLL_MS, never);
  }
}

/** Lets go of the record of a copy that is over. */
export async function dismiss(scene: VolumeScene, toStackGeneration: number): Promise<void> {
  const copy = copyJobOf(await look(scene));
  if (copy?.toStackGeneration !== toStackGeneration || copy.job.status !== 'concluded') return;
  await scene.daemon.qmp.execute('job-dismiss', { id: copy.job.id }, nothing);
}
