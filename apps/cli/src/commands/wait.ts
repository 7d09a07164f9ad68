import { setTimeout as delay } from 'node:timers/promises';
import { type Change, changeSchema, finalChangeStates } from '@flexbso/contracts';
import type { ApiClient } from '../client/api-client.js';
import { CommandError, exitCodes } from '../exit-codes.js';

/** Quick for what takes milliseconds, sparing for what takes minutes. */
const poll = { firstMs: 50, maxMs: 1_000 };

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Told when state or reason of waiting has changed. */
  readonly onProgress: (change: Change) => void;
}

/**
 * Waits until a change has settled.
 * @returns the change
 * @throws CommandError `refused` when it ended otherwise or waits for an operator, `timedOut` when it has not ended in time
 */
export async function waitForChange(client: ApiClient, changeId: string, options: WaitOptions): Promise<Change> {
  const change = await waitForEnd(client, changeId, options);
  if (change.state === 'settled') return change;
  throw failed(change);
}

/**
 * Waits until a change has ended, however it does, or waits for an operator.
 * @throws CommandError `timedOut` when it has not ended in time
 */
export async function waitForEnd(client: ApiClient, changeId: string, options: WaitOptions): Promise<Change> {
  const deadline = performance.now() + options.timeoutMs;
  let told = '';
  for (let waitMs = poll.firstMs; ; waitMs = Math.min(poll.maxMs, waitMs * 1.5)) {
    const change = await client.get(`/v1/changes/${changeId}`, changeSchema);
    const news = `${change.state} ${change.waitingFor ?? ''}`;
    if (news !== told) options.onProgress(change);
    told = news;
    if (finalChangeStates.includes(change.state) || change.state === 'needs-operator') return change;
    if (performance.now() >= deadline) throw late(change, options.timeoutMs);
    await delay(Math.min(waitMs, Math.max(1, deadline - performance.now())));
  }
}

function failed({ changeId, state, problem }: Change): CommandError {
  const why = problem === null ? '' : `: ${problem.code}: ${problem.detail}`;
  return new CommandError(exitCodes.refused, `${changeId} is ${state}${why}`);
}

function late({ changeId, state, waitingFor }: Change, timeoutMs: number): CommandError {
  const why = waitingFor === null ? '' : `, waiting for ${waitingFor}`;
  const message = `${changeId} is ${state} after ${timeoutMs / 1_000} s${why}; it goes on: flexbso describe change ${changeId}`;
  return new CommandError(exitCodes.timedOut, message);
}
