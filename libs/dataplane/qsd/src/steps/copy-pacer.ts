import type { CardStep, ObservedCopy } from '@flexbso/contracts';
import { measureProcess } from '../card/measure.js';
import { headStack, stackNodes, type Graph } from '../graph/graph.js';
import { copyJob } from '../graph/node-names.js';
import { fromThrottleLimits } from '../graph/throttle-limits.js';
import { QmpCommandError } from '../qmp/errors.js';
import { untraced } from '../qmp/qmp-client.js';
import { jobsReply, nothing } from '../qmp/replies.js';
import { firstPace, nextPace, type Pace, paceBounds, type PaceBounds, watchMs } from './copy-pace.js';
import { COPY_PIECE_BYTES } from './copy-piece.js';
import type { StepScene } from './step-scene.js';

type Copy = Extract<CardStep, { kind: 'copy' }>;

/** Two pieces of a copy may be in one book and not yet in the other when both are looked at. */
const BETWEEN_BOOKS_BYTES = 2 * COPY_PIECE_BYTES;

interface Sample {
  readonly atMs: number;
  readonly readBytes: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Has a running copy give way to its guest. What the guest does is told by two books: each of its writes makes the copy's
 * total larger by as much, since it goes to both stacks at once; what the daemon read from the files of the old stack
 * beyond what the copy moved, the guest read. Reads from remote legs stand in neither: of a guest that only reads there
 * nothing is seen, and it shares the way with one piece of the copy at a time.
 */
export class CopyPacer {
  readonly #scene: StepScene;
  readonly #step: Copy;
  readonly #bounds: PaceBounds;
  #pace: Pace;
  #last: Sample | null = null;

  constructor(scene: StepScene, step: Copy, graph: Graph) {
    this.#scene = scene;
    this.#step = step;
    this.#bounds = paceBounds(step.copyBytesPerSecond, guestLimitOf(graph));
    this.#pace = firstPace(this.#bounds);
  }

  get bytesPerSecond(): number {
    return this.#pace.bytesPerSecond;
  }

  /** Of a copy that somebody else began nothing is known but that it runs. */
  async join(): Promise<void> {
    await this.#set();
  }

  /** To be called at each look at the copy; decides when it has watched for long enough. */
  async look(graph: Graph, { state, doneBytes }: ObservedCopy): Promise<void> {
    // While it clears its target it has no total yet.
    if (state !== 'running' || doneBytes === 0) return;
    const last = this.#last;
    if (last !== null && performance.now() - last.atMs < watchMs(this.#pace)) return;
    const now = await this.#sample();
    if (now === null) return;
    this.#last = now;
    if (last === null) return;
    const before = this.#pace.bytesPerSecond;
    const seen = { ms: now.atMs - last.atMs, bytes: guestBytes(last, now, fileLegCount(graph)) };
    this.#pace = nextPace(this.#pace, seen, this.#bounds);
    if (this.#pace.bytesPerSecond !== before) await this.#set();
  }

  /** Both books at once: a fast copy moves a MiB in some milliseconds. Null: it has ended. */
  async #sample(): Promise<Sample | null> {
    const { volumeId, daemon } = this.#scene;
    const pid = await daemon.pid();
    const [jobs, { readBytes }] = await Promise.all([
      untraced(() => daemon.qmp.execute('query-jobs', {}, jobsReply)),
      measureProcess(volumeId, pid),
    ]);
    const job = jobs.find(({ id }) => id === copyJob(this.#step.toStackGeneration));
    if (job === undefined) return null;
    const { 'current-progress': doneBytes, 'total-progress': totalBytes } = job;
    return { atMs: performance.now(), readBytes, doneBytes, totalBytes };
  }

  async #set(): Promise<void> {
    const { qmp } = this.#scene.daemon;
    const device = copyJob(this.#step.toStackGeneration);
    const args = { device, speed: this.#pace.bytesPerSecond };
    try {
      await untraced(() => qmp.execute('block-job-set-speed', args, nothing));
    } catch (cause) {
      // It ended since it was looked at: the next look says how.
      if (!(cause instanceof QmpCommandError)) throw cause;
    }
  }
}

/** @param fileLegs how many files each read of the guest is a read of; 0: its reads are not seen */
export function guestBytes(last: Omit<Sample, 'atMs'>, now: Omit<Sample, 'atMs'>, fileLegs: number): number {
  const written = now.totalBytes - last.totalBytes;
  const copied = now.doneBytes - last.doneBytes - written;
  const read = fileLegs === 0 ? 0 : (now.readBytes - last.readBytes) / fileLegs - copied - BETWEEN_BOOKS_BYTES;
  return Math.max(0, written) + Math.max(0, read);
}

/** Of the stack beneath the head; every file of a mirror is read. */
function fileLegCount(graph: Graph): number {
  const stackGeneration = headStack(graph);
  if (stackGeneration === null) return 0;
  return stackNodes(graph, stackGeneration).filter(
    ({ name, node }) => node.kind === 'leg' && graph.nodes.get(name)?.file.startsWith('nbd://') === false,
  ).length;
}

function guestLimitOf({ limits, tenantLimits }: Graph): number | null {
  const own = tenantLimits ?? limits;
  const qos = own === null ? null : fromThrottleLimits(own);
  if (qos?.bytesPerSecondTotal !== undefined) return qos.bytesPerSecondTotal;
  const { bytesPerSecondRead: read, bytesPerSecondWrite: write } = qos ?? {};
  return read === undefined || write === undefined ? null : read + write;
}
