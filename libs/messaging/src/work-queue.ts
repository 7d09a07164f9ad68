import { within } from './backoff.js';

export interface WorkQueueOptions {
  /** Tasks at the same time. */
  readonly concurrency: number;
  /** Tasks that wait beside those. */
  readonly capacity: number;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Runs tasks, some at a time, the rest waiting in a bounded queue in the order they came. It does not know what
 * the tasks are; what a task could not handle itself goes to `onFailure`, and the queue goes on.
 */
export class WorkQueue {
  readonly #concurrency: number;
  readonly #capacity: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #waiting: Array<() => Promise<void>> = [];
  #running = 0;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(options: WorkQueueOptions) {
    this.#concurrency = options.concurrency;
    this.#capacity = options.capacity;
    this.#onFailure = options.onFailure;
  }

  /** Takes a task, or says false when the queue is full. */
  offer(task: () => Promise<void>): boolean {
    if (this.#running < this.#concurrency) {
      this.#start(task);
      return true;
    }
    if (this.#waiting.length >= this.#capacity) return false;
    this.#waiting.push(task);
    return true;
  }

  get pending(): number {
    return this.#running + this.#waiting.length;
  }

  /** Waits until nothing runs or waits; says false at the deadline. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.pending === 0) return true;
    this.#idle ??= Promise.withResolvers<void>();
    return within(this.#idle.promise, timeoutMs);
  }

  #start(task: () => Promise<void>): void {
    this.#running += 1;
    void task()
      .catch(this.#onFailure)
      .finally(() => {
        this.#running -= 1;
        this.#next();
      });
  }

  #next(): void {
    const task = this.#waiting.shift();
    if (task) this.#start(task);
    else if (this.#running === 0) {
      this.#idle?.resolve();
      this.#idle = null;
    }
  }
}
