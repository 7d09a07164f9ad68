import { trace } from '@opentelemetry/api';
import { onTestFinished, vi } from 'vitest';

/** Counts from now on, until the test ends, the spans that the agent begins: each asks for the agent's tracer once. */
export function countedStepSpans(): () => number {
  const asked = vi.spyOn(trace, 'getTracer');
  onTestFinished(() => asked.mockRestore());
  return () => asked.mock.calls.filter(([scope]) => scope === 'flexbso.agent').length;
}
