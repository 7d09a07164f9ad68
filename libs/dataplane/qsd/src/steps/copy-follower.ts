import type { CopyJob } from '../graph/graph.js';
import { versionReply } from '../qmp/replies.js';
import { goAlong } from './copy-end.js';
import type { CopyPacer } from './copy-pacer.js';
import { nextRound, type Round, roundFrom } from './copy-rounds.js';
import { awaitEarlierRequests } from './earlier-requests.js';
import type { StepScene } from './step-scene.js';

/** Brings a copy that began behind its guest into step with it, once there is little left to copy. */
export class CopyFollower {
  readonly #scene: StepScene;
  readonly #pacer: CopyPacer;
  #round: Round | null = null;

  constructor(scene: StepScene, pacer: CopyPacer) {
    this.#scene = scene;
    this.#pacer = pacer;
  }

  /** To be called at each look at the copy. */
  async look({ job, phase }: CopyJob): Promise<void> {
    if (phase === 'in-step' || (phase === 'behind' && !this.#isNear(job))) return;
    await this.#pacer.go('joining');
    await goAlong(this.#scene, job.id);
    await awaitEarlierRequests(this.#scene.daemon);
    await this.#pacer.go('in-step');
  }

  #isNear(job: CopyJob['job']): boolean {
    if (job.status === 'ready') return true;
    const progress = { doneBytes: job['current-progress'], totalBytes: job['total-progress'] };
    // While it clears its target it has no total yet.
    if (job.status !== 'running' || progress.doneBytes === 0) return false;
    this.#round = this.#round === null ? roundFrom(progress) : nextRound(this.#round, progress);
    return this.#round === null;
  }
}

/** Whether a copy may begin behind its guest: before QEMU 8.2 it could not be brought into step. */
export async function canBeginBehind({ daemon }: StepScene): Promise<boolean> {
  const { qemu } = await daemon.qmp.execute('query-version', {}, versionReply);
  return qemu.major > 8 || (qemu.major === 8 && qemu.minor >= 2);
}
