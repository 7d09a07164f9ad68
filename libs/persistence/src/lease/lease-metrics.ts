import { metrics } from '@opentelemetry/api';

/**
 * Shows whether this process holds a lease: exactly one of a service's processes should say 1.
 * @returns the function that ends it
 */
export function measureLease(lease: string, isHeld: () => boolean): () => void {
  const gauge = metrics.getMeter('flexbso.lease').createObservableGauge('flexbso.lease.held', {
    description: 'Whether this process is the active one of its service (1) or a standby (0)',
  });
  const observe = (result: { observe(value: number, attributes: Record<string, string>): void }) =>
    result.observe(isHeld() ? 1 : 0, { lease });
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}
