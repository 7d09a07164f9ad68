import { setTimeout as sleep } from 'node:timers/promises';
import { refused } from '../errors.js';
import type { CopyJob } from '../graph/graph.js';
import { abandonJob, resumeJob } from './copy-end.js';
import type { StepScene } from './step-scene.js';

const FIRST_RESUMES = 8;
const MAX_RESUMES = 100;
const BYTES_FOR_ONE_MORE = 64 * 1024 ** 2;
const FIRST_REST_MS = 50;
const MAX_REST_MS = 1000;

/**
 * Has a copy go on that stopped where the old stack could not be read: a leg may be away for a moment, and the legs of a
 * mirror need not agree on what the guest is just writing. What cannot be read at all stops it again at each turn.
 */
export class CopyResumer {
  readonly #scene: StepScene;
  #resumes = 0;

  constructor(scene: StepScene) {
    this.#scene = scene;
  }

  /** @throws DataPlaneError `step-failed` when it was resumed often enough; the copy is cancelled by then */
  async resume({ job, toStackGeneration }: CopyJob): Promise<void> {
    const doneBytes = job['current-progress'];
    if (!mayResume(this.#resumes, doneBytes)) {
      await abandonJob(this.#scene, toStackGeneration);
      throw refused(
        'step-failed',
        `the copy of ${this.#scene.volumeId} into stack ${toStackGeneration} stopped ${this.#resumes + 1} times where the old stack could not be read, the last time at ${doneBytes} of ${job['total-progress']} bytes, and was cancelled. The old stack is untouched: look at its pools`,
      );
    }
    await sleep(restMs(this.#resumes));
    this.#resumes += 1;
    await resumeJob(this.#scene, job.id);
  }
}

/** The more was copied, the more writes it may have met. */
export const mayResume = (resumes: number, doneBytes: number): boolean =>
  resumes < Math.min(MAX_RESUMES, FIRST_RESUMES + Math.floor(doneBytes / BYTES_FOR_ONE_MORE));

export const restMs = (resumes: number): number => Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** resumes);
