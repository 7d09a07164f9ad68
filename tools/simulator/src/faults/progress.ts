import type { StepKind } from './fault.js';

/** At which step each agent is, or was last, of what it is about: what a fault is told to have hit. */
export class Progress {
  readonly #steps = new Map<string, StepKind>();
  #latest: StepKind | null = null;

  began(process: string, step: StepKind): void {
    this.#steps.set(process, step);
    this.#latest = step;
  }

  /** Nothing is under way there any more. */
  ended(process: string): void {
    this.#steps.delete(process);
  }

  /** Of a process that takes no steps itself: the newest of all that are under way. */
  of(process: string): StepKind | null {
    const own = this.#steps.get(process);
    if (own !== undefined) return own;
    return process.startsWith('agent ') ? null : this.#latest;
  }
}
