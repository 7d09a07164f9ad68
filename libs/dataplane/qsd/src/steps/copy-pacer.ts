import type { CardStep, ObservedCopy } from '@flexbso/contracts';
import { measureProcess } from '../card/measure.js';
import { type CopyPhase, speedOf } from '../graph/copy-phase.js';
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
  readonly writtenBytes: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** How many files each request is one to: 0 where all of its legs are remote. */
interface FileLegs {
  readonly old: number;
  readonly next: number;
}

/**
 * Has a running copy give way to its guest. What the guest does is told by two books. What the daemon read from the files
 * of the old stack, and wrote to them, beyond what the copy moved, was the guest's. And the copy's total grows by what the
 * guest writes: by all of it once that goes to both stacks at once, before by what was copied already. Requests to remote
 * legs stand in the second book alone: of a guest that only reads there nothing is seen, and it shares the way with one
 * piece of the copy at a time.
 */
export class CopyPacer {
  readonly #scene: StepScene;
  readonly #step: Copy;
  readonly #bounds: PaceBounds;
  #pace: Pace;
  #phase: CopyPhase = 'behind';
  #last: Sample | null = null;

  constructor(scene: StepScene, step: Copy, graph: Graph) {
    this.#scene = scene;
    this.#step = step;
    this.#bounds = paceBounds(step.copyBytesPerSecond, guestLimitOf(graph));
    this.#pace = firstPace(this.#bounds);
  }

  get speed(): number {
    return speedOf(this.#phase, this.#pace.bytesPerSecond);
  }

  /** How the copy that is about to begin goes along with the guest. */
  begin(phase: CopyPhase): void {
    this.#phase = phase;
  }

  /** How the copy that runs goes along from now on. Of one that somebody else began nothing is known but this. */
  async go(phase: CopyPhase): Promise<void> {
    this.#phase = phase;
    this.#last = null;
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
    const seen = { ms: now.atMs - last.atMs, bytes: guestBytes(last, now, this.#fileLegs(graph), this.#phase) };
    this.#pace = nextPace(this.#pace, seen, this.#bounds);
    if (this.#pace.bytesPerSecond !== before) await this.#set();
  }

  /** Both books at once: a fast copy moves a MiB in some milliseconds. Null: it has ended. */
  async #sample(): Promise<Sample | null> {
    const { volumeId, daemon } = this.#scene;
    const pid = await daemon.pid();
    const [jobs, { readBytes, writtenBytes }] = await Promise.all([
      untraced(() => daemon.qmp.execute('query-jobs', {}, jobsReply)),
      measureProcess(volumeId, pid),
    ]);
    const job = jobs.find(({ id }) => id === copyJob(this.#step.toStackGeneration));
    if (job === undefined) return null;
    const { 'current-progress': doneBytes, 'total-progress': totalBytes } = job;
    return { atMs: performance.now(), readBytes, writtenBytes, doneBytes, totalBytes };
  }

  #fileLegs(graph: Graph): FileLegs {
    return { old: fileLegCount(graph, headStack(graph)), next: fileLegCount(graph, this.#step.toStackGeneration) };
  }

  async #set(): Promise<void> {
    const { qmp } = this.#scene.daemon;
    const device = copyJob(this.#step.toStackGeneration);
    const args = { device, speed: this.speed };
    try {
      await untraced(() => qmp.execute('block-job-set-speed', args, nothing));
    } catch (cause) {
      // It ended since it was looked at: the next look says how.
      if (!(cause instanceof QmpCommandError)) throw cause;
    }
  }
}

/** What the guest read and wrote between two looks, as far as the books tell. */
export function guestBytes(
  last: Omit<Sample, 'atMs'>,
  now: Omit<Sample, 'atMs'>,
  fileLegs: FileLegs,
  phase: CopyPhase,
): number {
  const grown = Math.max(0, now.totalBytes - last.totalBytes);
  const done = now.doneBytes - last.doneBytes;
  // What goes to both stacks at once counts as done, too.
  const copied = phase === 'behind' ? done : done - grown;
  const beyond = (bytes: number, ofCopy: number) =>
    fileLegs.old === 0 ? 0 : (bytes - ofCopy) / fileLegs.old - BETWEEN_BOOKS_BYTES;
  const read = beyond(now.readBytes - last.readBytes, copied * fileLegs.old);
  const written = phase === 'behind' ? beyond(now.writtenBytes - last.writtenBytes, copied * fileLegs.next) : grown;
  return Math.max(grown, written) + Math.max(0, read);
}

/** Every file of a mirror is read, and written. */
function fileLegCount(graph: Graph, stackGeneration: number | null): number {
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
