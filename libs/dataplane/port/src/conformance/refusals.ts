import { DataPlaneError } from '../errors.js';

/** The code that something is refused with; fails when it is done, or when what is thrown is no DataPlaneError. */
export async function codeOf(done: Promise<unknown>): Promise<string> {
  const [outcome] = await Promise.allSettled([done]);
  if (outcome.status === 'fulfilled') throw new Error('it was done, and not refused');
  if (outcome.reason instanceof DataPlaneError) return outcome.reason.problem.code;
  throw new Error('what was thrown is no DataPlaneError', { cause: outcome.reason });
}
