import { span, startObservability } from '@flexbso/observability';
import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../ports/clock.js';
import { systemRandomness } from '../ports/randomness.js';
import { SerialWorker } from './serial-worker.js';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const ports = { clock: systemClock, random: systemRandomness, log: quiet };

let observability: ReturnType<typeof startObservability>;
beforeAll(() => {
  observability = startObservability({ serviceName: 'test', serviceVersion: '0' });
});
afterAll(() => observability.stop());

describe('a serial worker', () => {
  it('works outside of the trace that started it, which ends long before', async () => {
    const { promise: passed, resolve } = Promise.withResolvers<unknown>();
    const worker = new SerialWorker(
      'volume',
      async () => {
        resolve(trace.getActiveSpan());
        return null;
      },
      ports,
    );
    await span('a nudge', {}, async () => {
      expect(trace.getActiveSpan()).toBeDefined();
      worker.start();
    });
    expect(await passed).toBeUndefined();
    await worker.stop();
  });

  it('never runs two passes at once, and runs once more for a wake in the middle of one', async () => {
    let running = 0;
    let passes = 0;
    const second = Promise.withResolvers<void>();
    const worker: SerialWorker = new SerialWorker(
      'volume',
      async () => {
        running++;
        passes++;
        expect(running).toBe(1);
        if (passes === 1) {
          worker.wake();
          worker.wake();
        } else second.resolve();
        await Promise.resolve();
        running--;
        return null;
      },
      ports,
    );
    worker.start();
    await second.promise;
    await worker.stop();
    expect(passes).toBe(2);
  });
});
