import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import type { AgentLog } from '../ports/log.js';
import type { Clock } from '../ports/clock.js';
import type { Randomness } from '../ports/randomness.js';
import { backoffMs } from './backoff.js';

/** Said with each abort: without a reason one makes an error with its stack. */
const WOKEN = 'woken';

/** When to look again without being woken; null: only when woken. */
export type LookAgain = { readonly afterMs: number } | null;

export interface WorkerPorts {
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
}

/**
 * Runs passes over one thing (a volume, a leg), one at a time. Invariants: never two passes at once;
 * a wake during a pass causes one more pass after it; after `stop` has resolved, none runs or starts.
 */
export class SerialWorker {
  readonly #name: string;
  readonly #pass: () => Promise<LookAgain>;
  readonly #ports: WorkerPorts;
  #woken = true;
  #stopped = false;
  #sleep = new AbortController();
  #finished: Promise<void> | null = null;

  constructor(name: string, pass: () => Promise<LookAgain>, ports: WorkerPorts) {
    this.#name = name;
    this.#pass = pass;
    this.#ports = ports;
  }

  /** Outside of whatever trace the caller is in: the worker outlives it by far. */
  start(): void {
    this.#finished ??= context.with(ROOT_CONTEXT, () => this.#run());
  }

  wake(): void {
    this.#woken = true;
    this.#sleep.abort(WOKEN);
  }

  /** Resolves when the pass under way, if any, has returned; the owner aborts its work first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sleep.abort(WOKEN);
    await this.#finished;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      this.#woken = false;
      this.#sleep = new AbortController();
      const again = await this.#guardedPass(failures);
      failures = again === 'failed' ? failures + 1 : 0;
      if (this.#isWoken() || this.#stopped) continue;
      const afterMs = again === 'failed' ? backoffMs(failures, this.#ports.random) : (again?.afterMs ?? null);
      await this.#rest(afterMs, this.#sleep.signal);
    }
  }

  /** Read through a method: the flags change while a pass is awaited. */
  #isWoken(): boolean {
    return this.#woken;
  }

  async #guardedPass(failures: number): Promise<LookAgain | 'failed'> {
    try {
      return await this.#pass();
    } catch (error) {
      this.#ports.log.error('a pass failed', { name: this.#name, failures: failures + 1, error: String(error) });
      return 'failed';
    }
  }

  async #rest(afterMs: number | null, signal: AbortSignal): Promise<void> {
    if (afterMs !== null) return this.#ports.clock.sleep(afterMs, signal);
    if (signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
}
