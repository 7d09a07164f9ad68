import { describe, expect, it } from 'vitest';
import { WorkQueue } from './work-queue.js';

const gate = () => Promise.withResolvers<void>();

const onFailure = (error: unknown) => {
  throw error;
};

describe('a work queue', () => {
  it('runs so many at a time, keeps so many waiting in order, and refuses the rest', async () => {
    const queue = new WorkQueue({ concurrency: 1, capacity: 2, onFailure });
    const gates = [gate(), gate(), gate()];
    const began: number[] = [];
    const offered = gates.map((one, index) =>
      queue.offer(() => {
        began.push(index);
        return one.promise;
      }),
    );
    expect(offered).toEqual([true, true, true]);
    expect(queue.offer(async () => undefined)).toBe(false);
    expect(began).toEqual([0]);
    for (const one of gates) one.resolve();
    await expect(queue.idle(5_000)).resolves.toBe(true);
    expect(began).toEqual([0, 1, 2]);
    expect(queue.pending).toBe(0);
  });

  it('says when it does not become idle in time', async () => {
    const queue = new WorkQueue({ concurrency: 1, capacity: 0, onFailure });
    const held = gate();
    queue.offer(() => held.promise);
    await expect(queue.idle(1)).resolves.toBe(false);
    held.resolve();
    await expect(queue.idle(5_000)).resolves.toBe(true);
    await expect(queue.idle(0)).resolves.toBe(true);
  });

  it('tells a task’s failure and goes on', async () => {
    const failures: unknown[] = [];
    const queue = new WorkQueue({ concurrency: 1, capacity: 1, onFailure: (error) => failures.push(error) });
    const failure = new Error('gone');
    let ran = false;
    queue.offer(() => Promise.reject(failure));
    queue.offer(async () => {
      ran = true;
    });
    await expect(queue.idle(5_000)).resolves.toBe(true);
    expect(failures).toEqual([failure]);
    expect(ran).toBe(true);
  });
});
