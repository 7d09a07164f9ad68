import { Coverage } from './coverage.js';
import type { ArmedFault, FaultKind, StepKind } from './fault.js';
import { Progress, type StepUnderWay } from './progress.js';

const outside: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'message-lost',
  'message-doubled',
  'message-delayed',
  'message-reordered',
  'bus-away',
  'lease-lost',
  'database-restored',
]);

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

  /** Whether something waits to go wrong around a step of this kind, which is for others than its agent to come to. */
  isAwaitedFromOutside(step: StepKind): boolean {
    return this.#armed.some((one) => one.step === step && outside.has(one.kind));
  }

  /**
   * Whether a fault of this kind strikes now, at a moment of `process`. It strikes once, and counts: to be asked only
   * where it has an effect.
   */
  strikes(kind: FaultKind, process: string, at: StepUnderWay | null = this.progress.of(process)): boolean {
    const step = at?.kind ?? null;
    const fault = this.#armed.find((one) => one.kind === kind && (one.step === null || one.step === step));
    if (fault === undefined) return false;
    if (fault.skip-- > 0) return false;
    this.#armed = this.#armed.filter((one) => one !== fault);
    this.coverage.hit(step, kind);
    this.#trace(`FAULT ${kind} at ${process}, step ${step}${at === null ? '' : ` of ${at.subjectId}`}`);
    return true;
  }
}
