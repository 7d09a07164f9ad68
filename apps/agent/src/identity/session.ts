/** Which life of the agent speaks. A higher number fences off every lower one. */
export interface Session {
  readonly sessionId: string;
  readonly sessionNumber: number;
}

/** Grows also when the clock was set back, since the last number is kept; and when that was lost, since clocks go on. */
export function nextSession(previousNumber: number | null, nowMs: number, sessionId: string): Session {
  return { sessionId, sessionNumber: Math.max((previousNumber ?? 0) + 1, nowMs) };
}
