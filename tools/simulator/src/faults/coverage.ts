import type { FaultKind, StepKind } from './fault.js';

export interface Hits {
  readonly step: StepKind | 'none';
  readonly fault: FaultKind;
  readonly hits: number;
}

/** How often each fault struck at each step. */
export class Coverage {
  readonly #hits = new Map<string, Hits>();
  // Both are asked for after every event of a run.
  readonly #bySteps = new Map<Hits['step'], number>();
  #total = 0;

  hit(step: StepKind | null, fault: FaultKind, times = 1): void {
    const cell = { step: step ?? ('none' as const), fault };
    const key = `${cell.step} ${fault}`;
    this.#hits.set(key, { ...cell, hits: (this.#hits.get(key)?.hits ?? 0) + times });
    this.#total += times;
    this.#bySteps.set(cell.step, this.of(cell.step) + times);
  }

  add(others: readonly Hits[]): void {
    for (const { step, fault, hits } of others) this.hit(step === 'none' ? null : step, fault, hits);
  }

  list(): Hits[] {
    return [...this.#hits.values()].toSorted((left, right) =>
      `${left.step} ${left.fault}`.localeCompare(`${right.step} ${right.fault}`, 'en'),
    );
  }

  get total(): number {
    return this.#total;
  }

  of(step: Hits['step']): number {
    return this.#bySteps.get(step) ?? 0;
  }
}
