/** Long for two busy cores; a condition that holds ends the wait at once. */
const DEFAULT_TIMEOUT_MS = 15_000;
const POLL_MS = 10;

/**
 * Waits until a condition holds: for what cannot be awaited, in place of sleeping.
 *
 * @throws naming `what` when it did not hold in time
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
