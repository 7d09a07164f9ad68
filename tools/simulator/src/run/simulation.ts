import { Worker } from 'node:worker_threads';
import { Coverage, type Hits } from '../faults/coverage.js';
import type { Violation } from '../truth/violation.js';
import type { RunResult } from './run.js';

export interface Simulation {
  readonly schedules: number;
  readonly events: number;
  readonly faults: number;
  readonly violations: readonly ({ readonly seed: number } & Violation)[];
  /** Seeds of runs that ended with less than a schedule is to have. */
  readonly tooSmall: readonly number[];
  readonly coverage: readonly Hits[];
}

export interface SimulationOptions {
  readonly firstSeed: number;
  readonly schedules: number;
  /** Threads: each has its runs for itself. */
  readonly workers: number;
  /** The name of a defect that is planted; null: none. */
  readonly planted: string | null;
  /** Ends with the first violation. */
  readonly untilViolated: boolean;
  readonly onResult: (result: RunResult, done: number) => void;
}

/** What a worker is given: every `stride`-th seed from its first on. */
export interface Share {
  readonly firstSeed: number;
  readonly beyondSeed: number;
  readonly stride: number;
  readonly planted: string | null;
}

/** Plays runs by consecutive seeds and sums them up. */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { firstSeed, schedules, workers: stride, planted } = options;
  const results: RunResult[] = [];
  const shares = Array.from({ length: Math.min(stride, schedules) }, (_, index) => ({
    firstSeed: firstSeed + index,
    beyondSeed: firstSeed + schedules,
    stride,
    planted,
  }));
  const stop = new AbortController();
  await Promise.all(
    shares.map((share) =>
      playShare(share, stop.signal, (result) => {
        results.push(result);
        options.onResult(result, results.length);
        if (options.untilViolated && result.violations.length > 0) stop.abort();
      }),
    ),
  );
  return summed(results);
}

function playShare(share: Share, signal: AbortSignal, onResult: (result: RunResult) => void): Promise<void> {
  const worker = new Worker(new URL('worker.js', import.meta.url), { workerData: share });
  return new Promise((resolve, reject) => {
    worker.on('message', onResult);
    worker.once('error', reject);
    worker.once('exit', () => resolve());
    signal.addEventListener('abort', () => void worker.terminate(), { once: true });
  });
}

function summed(results: readonly RunResult[]): Simulation {
  const coverage = new Coverage();
  for (const result of results) coverage.add(result.coverage);
  return {
    schedules: results.length,
    events: results.reduce((sum, { events }) => sum + events, 0),
    faults: coverage.total,
    violations: results.flatMap(({ seed, violations }) => violations.map((violation) => ({ seed, ...violation }))),
    tooSmall: results.filter(isTooSmall).map(({ seed }) => seed),
    coverage: coverage.list(),
  };
}

/** One that was ended by a violation shows what it is for. */
const isTooSmall = ({ isEnough, violations }: RunResult): boolean => !isEnough && violations.length === 0;
