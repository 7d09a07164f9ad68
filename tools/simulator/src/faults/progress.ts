import type { StepKind } from './fault.js';

/** A step that is under way, and the volume or leg whose it is. */
export interface StepUnderWay {
  readonly kind: StepKind;
  readonly subjectId: string;
}

/**
 * At which steps each agent is: from when a step is entered in the journal, or begun without, until the data plane has
 * answered for it. What a fault is told to have hit.
 */
export class Progress {
  /** By process and then by volume or leg, the newest last. */
  readonly #steps = new Map<string, Map<string, StepUnderWay>>();
  /** Of all processes, the newest last. */
  readonly #all = new Map<string, StepUnderWay>();

  began(process: string, step: StepUnderWay): void {
    const { subjectId } = step;
    this.ended(process, subjectId);
    const own = this.#steps.get(process) ?? new Map<string, StepUnderWay>();
    this.#steps.set(process, own.set(subjectId, step));
    this.#all.set(`${process} ${subjectId}`, step);
  }

  ended(process: string, subjectId: string): void {
    this.#steps.get(process)?.delete(subjectId);
    this.#all.delete(`${process} ${subjectId}`);
  }

  /** Nothing is under way there any more. */
  allEnded(process: string): void {
    for (const subjectId of this.#steps.get(process)?.keys() ?? []) this.ended(process, subjectId);
  }

  /** The newest that is under way there; null: none is. Of a service, which takes no steps itself: of all agents. */
  of(process: string): StepUnderWay | null {
    const underWay = process.startsWith('agent ') ? this.#steps.get(process) : this.#all;
    return [...(underWay?.values() ?? [])].at(-1) ?? null;
  }
}
