import type {
  DesiredLeg,
  LegReport,
  ObservedLeg,
  PlannedPoolStep,
  PoolStep,
  Problem,
  StepOutcome,
} from '@flexbso/contracts';
import type { PoolDataPlane, ServedLeg } from '@flexbso/dataplane-port';
import { span, withTraceHeaders } from '@flexbso/observability';
import { planPoolLeg } from '@flexbso/stack';
import { failureOf } from '../card/run-steps.js';
import type { Clock } from '../ports/clock.js';
import type { Journal } from '../ports/journal.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import type { Sealer } from '../ports/sealer.js';
import { Attempts } from '../pacing/attempts.js';
import { backoffMs, jittered } from '../pacing/backoff.js';
import type { LookAgain } from '../pacing/serial-worker.js';
import type { LegEntry } from './leg-book.js';
import { type LegJournal, openLegJournal } from './leg-journal.js';

export interface LegPorts {
  readonly poolId: string;
  readonly plane: PoolDataPlane;
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly report: (report: LegReport, desired: DesiredLeg, urgent: boolean) => void;
  /** How often a leg is looked at, to serve it again when its daemon died: the holder's I/O waits that long. */
  readonly lookMs: number;
}

/** A disk that is busy for a moment is no reason to give a leg up; four attempts are some 1.5 s. */
const MAX_ATTEMPTS_BEFORE_UNDO = 4;
/** The contract's bound. */
const MAX_STEPS = 20;
const STEP_BACKOFF = { firstMs: 200, maxMs: 5_000 };

/** Makes one leg so, by observe → plan → journal → act → observe. Passes must not overlap (see SerialWorker). */
export class LegReconciler {
  readonly #ports: LegPorts;
  #desired: DesiredLeg;
  /** Null until it could be read. */
  #journal: LegJournal | null = null;
  #steps: StepOutcome[] = [];
  #failures = 0;
  readonly #attempts = new Attempts();
  /** What was last said as ready or deleted, and the revision that was last recorded: each is done once. */
  #said: string | null = null;
  #recordedRevision = 0;
  readonly #stop = new AbortController();

  constructor(desired: DesiredLeg, ports: LegPorts) {
    this.#desired = desired;
    this.#ports = ports;
  }

  get desired(): DesiredLeg {
    return this.#desired;
  }

  want(desired: DesiredLeg): void {
    if (desired.operationId !== this.#desired.operationId) {
      this.#beginAnew();
      this.#steps = [];
    }
    this.#desired = desired;
    this.#said = null;
  }

  stop(): void {
    this.#stop.abort();
  }

  async pass(): Promise<LookAgain> {
    const { plane, poolId, journal, lookMs, random } = this.#ports;
    this.#journal ??= await openLegJournal(this.#desired.legId, journal);
    await this.#bookTombstone(this.#journal);
    const desired = this.#desired;
    const { failed } = this.#journal.book;
    if (failed?.operationId === desired.operationId) return this.#sayFailed(failed.problem);
    const observed = await plane.observe(desired.legId);
    const plan = planPoolLeg({ poolId, observed, desired });
    if (!plan.ok) return this.#wait(plan.problem, observed);
    for (const planned of plan.steps) {
      const failure = await this.#perform(planned, desired);
      if (this.#stop.signal.aborted) return null;
      if (failure) return this.#failed(failure, desired, observed);
    }
    if (plan.steps.length > 0) return { afterMs: 0 };
    this.#beginAnew();
    await this.#atRest(desired, observed);
    return { afterMs: jittered(lookMs, random) };
  }

  /** What is deleted stays deleted: the order is on disk before the act, and outlives a kept state that is older. */
  async #bookTombstone({ book: { tombstone } }: LegJournal): Promise<void> {
    const desired = this.#desired;
    if (desired.tombstone && tombstone?.operationId !== desired.operationId)
      await this.#enter({ kind: 'tombstone', tombstone: desired, atMs: this.#ports.clock.nowMs() });
    else if (tombstone !== null && tombstone.revision > desired.revision) this.#desired = tombstone;
  }

  async #atRest(desired: DesiredLeg, observed: ObservedLeg | null): Promise<void> {
    const { plane } = this.#ports;
    if (observed === null) return this.#say('deleted', this.#saidKey('deleted', desired, null), null, null);
    if (desired.revision !== this.#recordedRevision) await plane.record(desired);
    this.#recordedRevision = desired.revision;
    const served = await plane.served(desired.legId);
    // What was seen is of the operation before: said under the new one, it would be taken for its outcome.
    if (!served || desired !== this.#desired) return;
    if (this.#journal?.book.wasReady !== true)
      await this.#enter({ kind: 'ready', operationId: desired.operationId, atMs: this.#ports.clock.nowMs() });
    await this.#journal?.compact();
    this.#say('ready', this.#saidKey('ready', desired, served), observed, served);
    served.access?.key.fill(0);
  }

  async #perform(
    planned: PlannedPoolStep,
    desired: DesiredLeg,
  ): Promise<{ problem: Problem; retryable: boolean } | null> {
    const { clock, plane } = this.#ports;
    const { step } = planned;
    const { operationId } = desired;
    // Of this operation: another may be wanted, and begin its own, before the step is over.
    const steps = this.#steps;
    const index = this.#indexOf(step);
    const startedAtMs = clock.nowMs();
    await this.#enter({ kind: 'intent', operationId, step, desired, atMs: startedAtMs });
    steps[index] = { index, kind: step.kind, outcome: 'running', startedAtMs, endedAtMs: null };
    try {
      await this.#inStepSpan(step, desired, index, () => plane.perform(step, { desired, signal: this.#stop.signal }));
      steps[index] = { index, kind: step.kind, outcome: 'done', startedAtMs, endedAtMs: clock.nowMs() };
      await this.#enter({ kind: 'done', operationId, stepKind: step.kind, atMs: clock.nowMs() });
      return null;
    } catch (error) {
      steps[index] = { index, kind: step.kind, outcome: 'failed', startedAtMs, endedAtMs: clock.nowMs() };
      return failureOf(error, step.kind);
    }
  }

  async #failed(
    failure: { problem: Problem; retryable: boolean },
    desired: DesiredLeg,
    observed: ObservedLeg | null,
  ): Promise<LookAgain> {
    const { log, clock } = this.#ports;
    log.warn('a step failed', { legId: desired.legId, failures: this.#failures + 1, problem: failure.problem.detail });
    const book = this.#journal?.book;
    const isOurs = book?.createdBy === desired.operationId && !book.wasReady && !desired.tombstone;
    const isFinal = !failure.retryable || this.#failures + 1 >= MAX_ATTEMPTS_BEFORE_UNDO;
    if (!isOurs || !isFinal) return this.#wait(failure.problem, observed);
    await this.#undo(desired);
    await this.#enter({
      kind: 'failed',
      operationId: desired.operationId,
      problem: failure.problem,
      atMs: clock.nowMs(),
    });
    return this.#sayFailed(failure.problem);
  }

  /** Nothing of a leg that failed before it was ever ready is left. */
  async #undo(desired: DesiredLeg): Promise<void> {
    const { plane } = this.#ports;
    const { legId, epoch, holder, sizeBytes } = desired;
    const context = { desired, signal: this.#stop.signal };
    await plane.undo({ kind: 'serve-leg', legId, epoch, holderCardId: holder.cardId }, context);
    await plane.undo({ kind: 'create-leg', legId, sizeBytes }, context);
  }

  #wait(problem: Problem, observed: ObservedLeg | null): LookAgain {
    this.#ports.report(this.#report('working', observed, null, problem), this.#desired, false);
    // Once it is overcome, that is news.
    this.#said = null;
    return { afterMs: backoffMs(this.#failures++, this.#ports.random, STEP_BACKOFF) };
  }

  #sayFailed(problem: Problem): null {
    this.#say('failed', this.#saidKey('failed', this.#desired, null), null, null, problem);
    return null;
  }

  #say(
    phase: 'ready' | 'deleted' | 'failed',
    key: string,
    observed: ObservedLeg | null,
    served: ServedLeg | null,
    problem: Problem | null = null,
  ): void {
    if (this.#said === key) return;
    this.#said = key;
    this.#ports.report(this.#report(phase, observed, served, problem), this.#desired, true);
  }

  /** All that whoever hears the report acts on: where any of it differs, it is said again. */
  #saidKey(phase: string, { operationId, epoch, sizeBytes, holder }: DesiredLeg, served: ServedLeg | null): string {
    const access = served?.access?.identity;
    return JSON.stringify([phase, operationId, epoch, sizeBytes, holder.sealingKey, served?.address, access]);
  }

  /** What failed before has been overcome, or is not wanted any more. */
  #beginAnew(): void {
    this.#failures = 0;
    this.#attempts.clear();
  }

  /** Another attempt takes the place of the one that failed. */
  #indexOf(step: PoolStep): number {
    const last = this.#steps.at(-1);
    const index = last?.kind === step.kind && last.outcome === 'failed' ? last.index : this.#steps.length;
    // The contract's bound; what is beyond is in the journal.
    return Math.min(index, MAX_STEPS - 1);
  }

  #report(
    phase: LegReport['phase'],
    observed: ObservedLeg | null,
    served: ServedLeg | null,
    problem: Problem | null,
  ): LegReport {
    const { legId, operationId, holder } = this.#desired;
    const { epoch, sizeBytes, allocatedBytes } = observed ?? { epoch: 0, sizeBytes: 0, allocatedBytes: 0 };
    const access = served?.access && {
      identity: served.access.identity,
      sealedKey: this.#ports.sealer.seal(served.access.key, holder.sealingKey),
    };
    return {
      legId,
      operationId,
      phase,
      epoch,
      sizeBytes,
      allocatedBytes,
      address: served?.address ?? null,
      access: access ?? null,
      steps: [...this.#steps],
      problem,
    };
  }

  async #enter(entry: LegEntry): Promise<void> {
    await this.#journal?.enter([entry]);
  }

  #inStepSpan(step: PoolStep, desired: DesiredLeg, index: number, work: () => Promise<void>): Promise<void> {
    if (!this.#attempts.begin(step)) return work();
    const attributes = {
      'bso.leg.id': desired.legId,
      'bso.volume.id': desired.volumeId,
      'bso.pool.id': this.#ports.poolId,
      'bso.change.id': desired.changeId,
      'bso.operation.id': desired.operationId,
      'bso.step.index': index,
    };
    return withTraceHeaders(desired.trace, () =>
      span(`step ${step.kind}`, attributes, work, { scope: 'flexbso.agent' }),
    );
  }
}
