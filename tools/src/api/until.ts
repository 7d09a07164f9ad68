import { setTimeout as delay } from 'node:timers/promises';

/** Short beside what is waited for, long beside what a look costs. */
const POLL_MS = 10;

/** Looks again and again until a condition holds; throws, naming it, when it does not by the deadline. */
export async function until(
  condition: string,
  deadlineMs: number,
  holds: () => Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const endMs = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await delay(pollMs);
  }
}
