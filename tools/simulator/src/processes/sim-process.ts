import type { Timeline } from '../time/timeline.js';

/** One side of one call of a port: where a process can end. */
export interface Moment {
  readonly process: SimProcess;
  readonly phase: 'before' | 'after';
  /** Port and method: `journal.append`. */
  readonly call: string;
}

const never = (): Promise<never> => new Promise<never>(() => undefined);

/**
 * A process of the simulated system: what runs in it reaches the world through its calls only. Dead, its calls never
 * return and have no effect; stopped, they wait.
 */
export class SimProcess {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #endsAt: (moment: Moment) => boolean;
  readonly #onEnd: (() => void)[] = [];
  readonly #sleeps = new Set<() => void>();
  #isAlive = true;
  #stopped: PromiseWithResolvers<void> | null = null;

  /** @param endsAt asked at every moment: whether the process ends there */
  constructor(name: string, timeline: Timeline, endsAt: (moment: Moment) => boolean) {
    this.name = name;
    this.#timeline = timeline;
    this.#endsAt = endsAt;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isStopped(): boolean {
    return this.#stopped !== null;
  }

  onEnd(act: () => void): void {
    this.#onEnd.push(act);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const takeBack of this.#sleeps) takeBack();
    for (const act of this.#onEnd) act();
  }

  /** As by SIGSTOP: whatever it does next waits. */
  stop(): void {
    this.#stopped ??= Promise.withResolvers();
  }

  goOn(): void {
    const stopped = this.#stopped;
    this.#stopped = null;
    stopped?.resolve();
  }

  /** Resolves when the process runs; never for a dead one. */
  async running(): Promise<void> {
    while (this.#isAlive && this.#stopped) await this.#stopped.promise;
    if (!this.#isAlive) await never();
  }

  async moment(phase: Moment['phase'], call: string): Promise<void> {
    await this.running();
    if (this.#endsAt({ process: this, phase, call })) this.kill();
    await this.running();
  }

  /** Both sides of a call are moments; a failure is told as one would be, after it. */
  async call<Result>(call: string, work: () => Promise<Result>): Promise<Result> {
    await this.moment('before', call);
    try {
      return await work();
    } finally {
      await this.moment('after', call);
    }
  }

  readonly clock = {
    nowMs: (): number => this.#timeline.nowMs,
    monotonicMs: (): number => this.#timeline.elapsedMs,
    sleep: async (durationMs: number, signal?: AbortSignal): Promise<void> => {
      if (!signal?.aborted) await this.#slept(durationMs, signal);
      await this.running();
    },
  };

  #slept(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const takeBack = this.#timeline.after(durationMs, () => wake());
      const wake = (): void => {
        takeBack();
        this.#sleeps.delete(takeBack);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#sleeps.add(takeBack);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
