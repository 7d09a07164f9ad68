import { Coverage } from './coverage.js';
import type { ArmedFault, FaultKind, StepKind } from './fault.js';
import { Progress } from './progress.js';

/** The faults that wait for their moment, and what has struck. */
export class Faults {
  readonly progress = new Progress();
  readonly coverage = new Coverage();
  readonly #trace: (line: string) => void;
  #armed: ArmedFault[] = [];

  constructor(trace: (line: string) => void) {
    this.#trace = trace;
  }

  arm(fault: ArmedFault): void {
    this.#armed.push(fault);
  }

  disarm(): void {
    this.#armed = [];
  }

  get waiting(): readonly ArmedFault[] {
    return this.#armed;
  }

  /** Whether a fault of this kind strikes now, at a moment of `process`. It strikes once. */
  strikes(kind: FaultKind, process: string, step: StepKind | null = this.progress.of(process)): boolean {
    const fault = this.#armed.find((one) => one.kind === kind && (one.step === null || one.step === step));
    if (fault === undefined) return false;
    if (fault.skip-- > 0) return false;
    this.#armed = this.#armed.filter((one) => one !== fault);
    this.coverage.hit(step, kind);
    this.#trace(`FAULT ${kind} at ${process}, step ${step}`);
    return true;
  }
}
