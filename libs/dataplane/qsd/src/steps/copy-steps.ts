import type { CardStep, ObservedCopy } from '@flexbso/contracts';
import type { DataPlaneError } from '@flexbso/dataplane-port';
import { refused, unavailable } from '../errors.js';
import { baseOf, copyJobOf, headChild, headStack, stackTop, type Graph } from '../graph/graph.js';
import { copyJob, HEAD } from '../graph/node-names.js';
import { observedCopy } from '../graph/observe.js';
import { untraced } from '../qmp/qmp-client.js';
import { nothing } from '../qmp/replies.js';
import { abandonJob, cancelJob, dismiss, POLL_MS, waitUntilConcluded } from './copy-end.js';
import { CopyFollower } from './copy-follower.js';
import { CopyPacer } from './copy-pacer.js';
import { COPY_PIECE_BYTES } from './copy-piece.js';
import { CopyResumer } from './copy-resumer.js';
import { startJob, withoutDoubtfulStart } from './copy-start.js';
import { look, type StepScene } from './step-scene.js';

type Copy = Extract<CardStep, { kind: 'copy' }>;
type CutOver = Extract<CardStep, { kind: 'cut-over' }>;

/** The pivot takes 2 to 33 ms once the copy is ready; this is a target that went away in that moment. */
const CUT_OVER_TIMEOUT_MS = 30_000;
/** Before its first byte a copy clears its target, which shows no progress and takes longer on a large one. */
const CLEARING_FACTOR = 5;
/** Starts the copy, or joins the one that runs, and waits until both stacks are the same. */
export async function copy(scene: StepScene, step: Copy): Promise<void> {
  const graph = await withoutDoubtfulStart(scene, await look(scene));
  if (headStack(graph) === step.toStackGeneration) return;
  // The target of one that failed is closed and made anew, but for a base: it goes on where it is.
  const isOver = step.commits === true && observedCopy(graph)?.state === 'failed';
  if (isOver) await dismiss(scene, step.toStackGeneration);
  const running = isOver ? null : copyJobOf(graph);
  const pacer = new CopyPacer(scene, step, graph);
  if (running === null) await startCopy(scene, step, graph, pacer);
  else if (running.toStackGeneration !== step.toStackGeneration) {
    throw refused(
      'step-failed',
      `a copy into stack ${running.toStackGeneration} is under way: cancel it before copying into ${step.toStackGeneration}`,
    );
  } else await pacer.go(running.phase);
  await waitUntilReady(scene, step, pacer);
}

async function startCopy(scene: StepScene, step: Copy, graph: Graph, pacer: CopyPacer): Promise<void> {
  const [target, old] = [stackTop(graph, step.toStackGeneration), headChild(graph)];
  if (old === null || headStack(graph) !== step.fromStackGeneration)
    throw refused(
      'step-failed',
      `the head of ${scene.volumeId} is on stack ${headStack(graph)}, not ${step.fromStackGeneration}: nothing is copied`,
    );
  const [from, to] = [
    graph.nodes.get(HEAD)?.sizeBytes,
    target === null ? undefined : graph.nodes.get(target)?.sizeBytes,
  ];
  if (target === null || from !== to)
    throw refused(
      'step-failed',
      `the new stack has ${to ?? 'no'} bytes and the head ${from}: a copy needs exactly the same size`,
    );
  if ((baseOf(graph, step.fromStackGeneration) === step.toStackGeneration) !== (step.commits ?? false))
    throw refused(
      'step-failed',
      `stack ${step.fromStackGeneration} of ${scene.volumeId} is ${step.commits ? 'no' : 'an'} overlay on stack ${step.toStackGeneration}: nothing is copied`,
    );
  await startJob(scene, step, graph, target, pacer);
}

async function waitUntilReady(scene: StepScene, step: Copy, pacer: CopyPacer): Promise<void> {
  const { context, daemon, volumeId } = scene;
  const follower = new CopyFollower(scene, pacer);
  const resumer = new CopyResumer(scene);
  let [doneBytes, movedAtMs] = [-1, performance.now()];
  for (;;) {
    const seenCount = daemon.qmp.eventCount;
    // A copy of hours is looked at tens of thousands of times: those looks are no spans of its trace.
    const graph = await untraced(() => look(scene));
    const [running, progress] = [copyJobOf(graph), observedCopy(graph)];
    if (running === null || progress === null)
      throw refused(
        'step-failed',
        `the copy of ${volumeId} into stack ${step.toStackGeneration} is gone before it was ready`,
      );
    context.onProgress({ doneBytes: progress.doneBytes, totalBytes: progress.totalBytes });
    if (progress.state === 'ready' || progress.state === 'done') return;
    if (progress.state === 'failed') throw copyFailed(volumeId, step.toStackGeneration, progress.error);
    if (running.isStopped) await resumer.resume(running);
    if (running.isStopped || progress.doneBytes !== doneBytes)
      [doneBytes, movedAtMs] = [progress.doneBytes, performance.now()];
    else if (performance.now() - movedAtMs > stallLimitMs(scene, pacer, doneBytes))
      return abandonCopy(scene, step, progress);
    await pacer.look(graph, progress);
    await follower.look(running);
    if (context.signal.aborted) throw unavailable(`waiting for the copy of ${volumeId} was stopped; the copy goes on`);
    await daemon.qmp.nextEvent(seenCount, POLL_MS, context.signal);
  }
}

/** A copy rests between its pieces as its speed demands. */
function stallLimitMs(scene: StepScene, { speed }: CopyPacer, doneBytes: number): number {
  const restMs = (2 * COPY_PIECE_BYTES * 1000) / speed;
  const limitMs = Math.max(scene.config.copyStallMs, restMs);
  return doneBytes > 0 ? limitMs : CLEARING_FACTOR * limitMs;
}

/** A target that does not answer holds the guest's writes back: cancelling fails what is in flight to it and frees them. */
async function abandonCopy(scene: StepScene, step: Copy, progress: ObservedCopy): Promise<never> {
  await abandonJob(scene, step.toStackGeneration);
  throw refused(
    'step-failed',
    `the copy of ${scene.volumeId} into stack ${step.toStackGeneration} stood still at ${progress.doneBytes} of ${progress.totalBytes} bytes and was cancelled: look at the new stack's pools`,
  );
}

function copyFailed(volumeId: string, toStackGeneration: number, error: string | null): DataPlaneError {
  return refused(
    'step-failed',
    `the copy of ${volumeId} into stack ${toStackGeneration} failed: ${error ?? 'no reason given'}. The old stack is untouched`,
  );
}

/** Cancels the copy and clears it away; once cut over there is no way back. */
export async function cancelCopy(scene: StepScene, step: Copy): Promise<void> {
  const graph = await withoutDoubtfulStart(scene, await look(scene));
  if (headStack(graph) === step.toStackGeneration)
    throw refused(
      'cut-over-passed',
      `${scene.volumeId} is cut over to stack ${step.toStackGeneration} and is only ever completed`,
    );
  if (copyJobOf(graph)?.toStackGeneration !== step.toStackGeneration) return;
  await cancelJob(scene, step.toStackGeneration);
  await dismiss(scene, step.toStackGeneration);
}

/** Puts the guest onto the new stack. The one step that is never undone: done only when the copy is ready and free of errors. */
export async function cutOver(scene: StepScene, step: CutOver): Promise<void> {
  const graph = await look(scene);
  const progress = observedCopy(graph);
  const isOver = headStack(graph) === step.toStackGeneration;
  if (isOver && (progress === null || progress.state === 'done')) return dismiss(scene, step.toStackGeneration);
  if (!isOver) await complete(scene, step, progress);
  const after = await waitUntilConcluded(scene, CUT_OVER_TIMEOUT_MS);
  if (headStack(after) !== step.toStackGeneration)
    throw copyFailed(scene.volumeId, step.toStackGeneration, observedCopy(after)?.error ?? null);
  await dismiss(scene, step.toStackGeneration);
}

async function complete(scene: StepScene, step: CutOver, progress: ObservedCopy | null): Promise<void> {
  if (progress?.toStackGeneration !== step.toStackGeneration || progress.state !== 'ready' || progress.error !== null) {
    const state =
      progress === null
        ? 'no copy'
        : `a copy that is ${progress.state}${progress.error === null ? '' : ` (${progress.error})`}`;
    throw refused(
      'needs-operator',
      `${scene.volumeId} is not cut over to stack ${step.toStackGeneration}: there is ${state}, and only one that is ready and free of errors may be. The old stack carries the guest`,
      {
        copyState: progress?.state ?? null,
      },
    );
  }
  await scene.daemon.qmp.execute('job-complete', { id: copyJob(step.toStackGeneration) }, nothing);
}

/** Before a stack is closed: ends a copy into it, and lets go of the record of a copy that is over. */
export async function endCopyFor(scene: StepScene, stackGeneration: number): Promise<void> {
  const progress = observedCopy(await withoutDoubtfulStart(scene, await look(scene)));
  if (progress === null) return;
  if (progress.toStackGeneration === stackGeneration) await cancelJob(scene, stackGeneration);
  await dismiss(scene, progress.toStackGeneration);
}
