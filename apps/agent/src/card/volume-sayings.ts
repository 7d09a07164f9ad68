import type { CardStep, DesiredVolume, ObservedVolume, Problem, VolumePhase, VolumeReport } from '@flexbso/contracts';
import { describe } from '@flexbso/stack';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import { type Conclusion, outcomesOf, stoppedBy } from './book.js';
import type { LegFaults } from './leg-faults.js';
import type { VolumeJournal } from './volume-journal.js';
import { concludedReport, volumeReport } from './volume-report.js';

export interface SayingPorts {
  readonly clock: Clock;
  readonly log: AgentLog;
  /** `urgent`: now; otherwise at most twice a second. */
  readonly report: (report: VolumeReport, desired: DesiredVolume, urgent: boolean) => void;
}

/** What is reported of one volume: where it stands, what it waits for and since when, and, once, how it ended. */
export class VolumeSayings {
  readonly #journal: VolumeJournal;
  readonly #legFaults: Pick<LegFaults, 'told' | 'version'>;
  readonly #ports: SayingPorts;
  /** The most that the present operation's copy was seen to have copied: the copy's own record goes with the cut-over. */
  #bytesCopied = 0;
  #waitingSinceMs: number | null = null;
  /** It stands between two steps, paused; then `#waitingSinceMs` is since when. */
  #isHolding = false;
  /** What the last report that ends an operation said, so that it is said once by each life of the agent. */
  #saidFor: string | null = null;
  /** It was said that the volume needs somebody: no step of another attempt is to take that report's place. */
  #isBroken = false;

  constructor(journal: VolumeJournal, legFaults: Pick<LegFaults, 'told' | 'version'>, ports: SayingPorts) {
    this.#journal = journal;
    this.#legFaults = legFaults;
    this.#ports = ports;
  }

  /** Something was wished: how the last operation ended may be asked for again. */
  wished(isAnother: boolean): void {
    if (isAnother) this.#bytesCopied = 0;
    this.#saidFor = null;
    this.#isBroken = false;
  }

  /** What had ended is made good: its end is to be said again. */
  endAgain(): void {
    this.#saidFor = null;
    this.#isBroken = false;
  }

  rested(): void {
    this.#waitingSinceMs = null;
  }

  /** Once, and again after each outage and when there is news of a bad leg. */
  ended(conclusion: Conclusion, desired: DesiredVolume, observed: ObservedVolume): void {
    const { outage } = this.#journal.book;
    const saying = `${desired.operationId} ${conclusion.phase} ${outage?.untilMs} ${this.#legFaults.version}`;
    if (this.#saidFor === saying) return;
    const more = { bytesCopied: this.#bytesCopied, outage, legFaults: this.#legFaults.told };
    this.#ports.report(concludedReport(desired, conclusion, observed, more), desired, true);
    this.#saidFor = saying;
  }

  /** Said also of an operation that has ended: its volume is not as it should be. Once, and *settled* again afterwards. */
  misled(problem: Problem, desired: DesiredVolume, observed: ObservedVolume): void {
    this.#amiss('working', 'a leg is served at another address', { problem, desired, observed });
  }

  /** Nothing carries the guest, and trying again does not help. Once, and *settled* again when somebody has mended it. */
  broken(problem: Problem, desired: DesiredVolume, observed: ObservedVolume): void {
    if (stoppedBy(this.#journal.book, desired.operationId)) return;
    this.#isBroken = true;
    this.#amiss('needs-operator', 'what was applied to be built again', { problem, desired, observed });
  }

  #amiss(
    phase: 'working' | 'needs-operator',
    waitsFor: string,
    { problem, desired, observed }: { problem: Problem; desired: DesiredVolume; observed: ObservedVolume },
  ): void {
    const { clock, log, report } = this.#ports;
    const { volumeId } = desired;
    const saying = `${desired.operationId} ${problem.detail} ${this.#legFaults.version}`;
    if (this.#saidFor === saying) return;
    log.warn('a volume is not as it should be', { volumeId, waitsFor, problem: problem.detail });
    this.#saidFor = saying;
    this.#waitingSinceMs ??= clock.nowMs();
    const waiting = { for: waitsFor, sinceMs: this.#waitingSinceMs };
    const steps = this.#journal.book.concluded?.steps ?? [];
    const { outage } = this.#journal.book;
    const legFaults = this.#legFaults.told;
    report(volumeReport({ desired, phase, steps, observed, waiting, problem, outage, legFaults }), desired, true);
  }

  /** Once for each thing that was seen. What is wanted is gone on with, or said again to be so, once it was mended. */
  contradicted(problem: Problem, desired: DesiredVolume, observed: ObservedVolume): void {
    const { log, report } = this.#ports;
    const saying = `${desired.operationId} ${problem.detail}`;
    if (this.#saidFor === saying) return;
    log.error('what runs is not what the journal says', { volumeId: desired.volumeId, problem: problem.detail });
    this.#saidFor = saying;
    const { concluded, outage } = this.#journal.book;
    const steps = concluded?.operationId === desired.operationId ? concluded.steps : [];
    const legFaults = this.#legFaults.told;
    const phase = 'needs-operator' as const;
    report(volumeReport({ desired, phase, steps, observed, problem, outage, legFaults }), desired, true);
  }

  /** Where an open operation stands. Of one that has ended nothing new is said while its volume is made good. */
  stands(
    phase: VolumePhase,
    wanted: DesiredVolume,
    observed: ObservedVolume | null,
    more: { waitingFor?: string; problem?: Problem | null } = {},
  ): void {
    const { operation, outage } = this.#journal.book;
    const desired = operation?.desired ?? wanted;
    if (this.#isBroken) return;
    if (desired.operationId !== wanted.operationId || stoppedBy(this.#journal.book, desired.operationId)) return;
    // Of one that had ended: that it is over is to be heard, too.
    if (more.problem) this.#saidFor = null;
    const nowMs = this.#ports.clock.nowMs();
    this.#waitingSinceMs = more.waitingFor ? (this.#waitingSinceMs ?? nowMs) : null;
    const situation = {
      desired,
      phase,
      observed,
      bytesCopied: this.#bytesCopied,
      steps: outcomesOf(operation),
      waiting: more.waitingFor ? { for: more.waitingFor, sinceMs: this.#waitingSinceMs ?? nowMs } : null,
      problem: more.problem ?? null,
      outage,
      legFaults: this.#legFaults.told,
    };
    this.#ports.report(volumeReport(situation), desired, phase !== 'working');
  }

  /** Paused between two steps. */
  holds(wanted: DesiredVolume, observed: ObservedVolume): void {
    if (!this.#isHolding) this.#waitingSinceMs = null;
    this.#isHolding = true;
    this.stands('working', wanted, observed, { waitingFor: 'to be resumed' });
  }

  step(step: CardStep, wanted: DesiredVolume, observed: ObservedVolume): void {
    this.#isHolding = false;
    // What takes a moment is over before anyone could read of it.
    if (step.kind === 'set-limits') return;
    this.#waitingSinceMs = null;
    this.stands('working', wanted, observed, { waitingFor: describe(step) });
  }

  progress(
    { doneBytes, totalBytes }: { doneBytes: number; totalBytes: number },
    wanted: DesiredVolume,
    observed: ObservedVolume,
  ): void {
    this.#bytesCopied = Math.max(this.#bytesCopied, doneBytes);
    const toStackGeneration = wanted.stack.stackGeneration;
    const copy = { toStackGeneration, state: 'running' as const, doneBytes, totalBytes, error: null };
    const waitingFor = `the copy: ${doneBytes} of ${totalBytes} bytes`;
    this.stands('working', wanted, { ...observed, copy }, { waitingFor });
  }
}
