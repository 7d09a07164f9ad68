import type { FaultKind, StepKind } from './fault.js';

export interface Hits {
  readonly step: StepKind | 'none';
  readonly fault: FaultKind;
  readonly hits: number;
}

/** How often each fault struck at each step. */
export class Coverage {
  readonly #hits = new Map<string, Hits>();

  hit(step: StepKind | null, fault: FaultKind, times = 1): void {
    const cell = { step: step ?? ('none' as const), fault };
    const key = `${cell.step} ${fault}`;
    this.#hits.set(key, { ...cell, hits: (this.#hits.get(key)?.hits ?? 0) + times });
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
    return this.list().reduce((sum, { hits }) => sum + hits, 0);
  }

  of(step: StepKind): number {
    return this.list().reduce((sum, cell) => (cell.step === step ? sum + cell.hits : sum), 0);
  }
}
