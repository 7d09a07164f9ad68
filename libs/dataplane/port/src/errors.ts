import type { Problem } from '@flexbso/contracts';

/**
 * A data plane refused or failed. `retryable`: the same call may succeed later (a pool that is
 * away); otherwise the plan cannot go on. `problem` is what a person reads.
 */
export class DataPlaneError extends Error {
  readonly problem: Problem;
  readonly retryable: boolean;
  constructor(problem: Problem, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(`${problem.code}: ${problem.detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DataPlaneError';
    this.problem = problem;
    this.retryable = options.retryable ?? false;
  }
}
