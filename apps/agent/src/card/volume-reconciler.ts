import type { Capabilities, DesiredVolume, ObservedVolume, Problem } from '@flexbso/contracts';
import type { CardDataPlane, CardSecrets, LegFinding } from '@flexbso/dataplane-port';
import { span, withTraceHeaders } from '@flexbso/observability';
import { isApplied, isSettled, plannedVolumeOf } from '@flexbso/stack';
import type { Randomness } from '../ports/randomness.js';
import { Attempts } from '../pacing/attempts.js';
import { backoffMs, jittered } from '../pacing/backoff.js';
import type { LookAgain } from '../pacing/serial-worker.js';
import { type BookEntry, type VolumeBook, hasGrown, isPastReturn, isSameWork, isWayBack, seenDone } from './book.js';
import { type Decision, decide } from './decide.js';
import { LegFaults, openLegIds } from './leg-faults.js';
import { LegWatch } from './leg-watch.js';
import { type OutagePorts, OutageWatch } from './outage-watch.js';
import { type RunResult, type StepRun, isOpenedAnew, runHealing, runSteps, runUndo } from './run-steps.js';
import type { VolumeJournal } from './volume-journal.js';
import { conclusionOf } from './volume-report.js';
import { type SayingPorts, VolumeSayings } from './volume-sayings.js';

export interface VolumePorts extends OutagePorts, SayingPorts {
  readonly cardId: string;
  readonly plane: CardDataPlane;
  readonly otherVolumeOn: StepRun['otherVolumeOn'];
  readonly capabilities: () => Capabilities;
  readonly secretsOf: (desired: DesiredVolume) => CardSecrets;
  readonly random: Randomness;
  /** How often a volume at rest is looked at, to find a data plane that died. */
  readonly lookMs: number;
}

/** A pool that is away for a moment is no reason to take a change back; four attempts are some 1.5 s. */
const MAX_ATTEMPTS_BEFORE_UNDO = 4;
/** Nothing carries the guest meanwhile; the pause is 5 s by then, and an attempt takes seconds too: a minute or two. */
const MAX_ATTEMPTS_UNTOLD = 12;
/** Decisions in one pass; a change takes five. More means that decisions contradict each other: rest, then look anew. */
const MAX_ROUNDS = 16;
const STEP_BACKOFF = { firstMs: 200, maxMs: 5_000 };

/** 'again': decide anew at once. */
type Round = 'again' | LookAgain;

/**
 * Makes one volume so, by observe → decide → journal → act, until nothing is left to do. Passes must not
 * overlap (see SerialWorker). Everything that it knows across passes is in the journal, except how often
 * the present step failed and since when it waits.
 */
export class VolumeReconciler {
  readonly #volumeId: string;
  readonly #ports: VolumePorts;
  readonly #journal: VolumeJournal;
  #desired: DesiredVolume;
  #failures = 0;
  readonly #attempts = new Attempts();
  #stopped = false;
  #work = new AbortController();
  readonly #legWatch: LegWatch;
  readonly #outages: OutageWatch;
  readonly #legFaults = new LegFaults();
  readonly #sayings: VolumeSayings;

  constructor(desired: DesiredVolume, journal: VolumeJournal, ports: VolumePorts) {
    this.#volumeId = desired.volumeId;
    this.#desired = desired;
    this.#journal = journal;
    this.#ports = ports;
    this.#legWatch = new LegWatch(ports.plane);
    this.#outages = new OutageWatch(desired.volumeId, journal, ports);
    this.#sayings = new VolumeSayings(journal, this.#legFaults, ports);
  }

  get desired(): DesiredVolume {
    return this.#desired;
  }

  /**
   * A newer operation interrupts the present step, unless the cut-over is already intended: then it is completed first.
   * One that only amends its limits always does: whatever was begun goes on under the new ones. So does a cancel. A pause
   * does not: the step is brought to its end.
   */
  want(desired: DesiredVolume): void {
    const { operation } = this.#journal.book;
    const isAnother = desired.operationId !== this.#desired.operationId;
    if (isAnother) {
      this.#beginAnew();
      if (!operation?.cutOverIntended || isSameWork(operation.desired, desired)) this.#work.abort();
    } else if (desired.cancelled && !this.#desired.cancelled && !(operation && isPastReturn(operation))) {
      // Without an operation its first entry may be on its way to the journal.
      this.#work.abort();
    }
    this.#desired = desired;
    this.#sayings.wished(isAnother);
  }

  /** Interrupts the present step; the data plane goes on, the journal keeps the place. */
  stop(): void {
    this.#stopped = true;
    this.#work.abort();
  }

  /** The data plane was just seen to go; the next pass looks, and builds it again. */
  gone(): void {
    this.#outages.gone();
  }

  /** @returns whether the next pass has something to tell */
  legIsBad(finding: LegFinding): boolean {
    const isNews = this.#legFaults.note(finding, this.#ports.clock.nowMs());
    if (isNews) this.#ports.log.warn('a leg is bad', { volumeId: this.#volumeId, ...finding });
    return isNews;
  }

  async pass(): Promise<LookAgain> {
    for (let round = 0; round < MAX_ROUNDS && !this.#stopped; round++) {
      this.#work = new AbortController();
      const again = await this.#round();
      if (again !== 'again') return again;
    }
    return { afterMs: backoffMs(0, this.#ports.random, STEP_BACKOFF) };
  }

  async #round(): Promise<Round> {
    const { cardId, capabilities } = this.#ports;
    const desired = this.#desired;
    const observed = await this.#look();
    const decision = decide({ cardId, desired, book: this.#journal.book, observed, capabilities: capabilities() });
    return this.#carryOut(decision, observed);
  }

  async #look(): Promise<ObservedVolume> {
    const observed = await this.#observe();
    this.#legFaults.keep(openLegIds(observed));
    this.#legFaults.look(this.#ports.clock.nowMs());
    return observed;
  }

  /** A change's looks stand in its trace; those of a volume at rest, or of a step that fails for days, would fill it. */
  #observe(): Promise<ObservedVolume> {
    const { operationId, trace, changeId } = this.#desired;
    if (this.#failures > 0 || this.#journal.book.concluded?.operationId === operationId) return this.#outages.observe();
    const attributes = { 'bso.volume.id': this.#volumeId, 'bso.change.id': changeId };
    return withTraceHeaders(trace, () =>
      span('observe', attributes, () => this.#outages.observe(), { scope: 'flexbso.agent' }),
    );
  }

  async #carryOut(decision: Decision, observed: ObservedVolume): Promise<Round> {
    switch (decision.kind) {
      case 'rest':
        return this.#rest(observed);
      case 'wait':
        return this.#wait(decision.reason, decision.problem, observed);
      case 'stand-off':
        this.#beginAnew();
        this.#sayings.contradicted(decision.problem, this.#desired, observed);
        return { afterMs: jittered(this.#ports.lookMs, this.#ports.random) };
      case 'run':
        return this.#run(decision, observed);
      case 'amend':
        await this.#journal.enter([{ kind: 'amended', desired: decision.desired }]);
        return 'again';
      case 'heal':
        return this.#heal(decision, observed);
      case 'undo':
        return this.#undo(decision.problem, observed);
      case 'withdraw':
        await this.#journal.enter([{ kind: 'cut-over-withdrawn', problem: decision.problem }]);
        return 'again';
      default:
        await this.#conclude([], decision.desired, decision.phase, decision.problem, observed);
        return 'again';
    }
  }

  async #rest(observed: ObservedVolume): Promise<LookAgain> {
    const { lookMs, random } = this.#ports;
    this.#beginAnew();
    const { concluded } = this.#journal.book;
    const isSettledNow = concluded?.phase === 'settled' && concluded.operationId === this.#desired.operationId;
    const misled = isSettledNow ? await this.#legWatch.look(this.#desired) : null;
    if (misled) {
      this.#sayings.misled(misled, this.#desired, observed);
      return { afterMs: jittered(lookMs, random) };
    }
    this.#sayings.rested();
    if (concluded?.operationId === this.#desired.operationId) this.#sayings.ended(concluded, this.#desired, observed);
    return { afterMs: jittered(lookMs, random) };
  }

  /** What failed before has been overcome, or is not wanted any more. */
  #beginAnew(): void {
    this.#failures = 0;
    this.#attempts.clear();
  }

  #wait(reason: string, problem: Problem | null, observed: ObservedVolume | null): LookAgain {
    this.#sayings.stands('working', this.#desired, observed, { waitingFor: reason, problem });
    return { afterMs: backoffMs(this.#failures++, this.#ports.random, STEP_BACKOFF) };
  }

  /** What is paused is no failure: it counts for no undo, and goes on when it is wished. */
  #hold(observed: ObservedVolume): LookAgain {
    this.#sayings.holds(this.#desired, observed);
    return { afterMs: jittered(this.#ports.lookMs, this.#ports.random) };
  }

  #isHeld(desired: DesiredVolume, { operation }: VolumeBook): boolean {
    const wanted = this.#desired;
    if (!wanted.paused || wanted.operationId !== desired.operationId) return false;
    return operation === null || !isPastReturn(operation);
  }

  async #run({ desired, steps }: Extract<Decision, { kind: 'run' }>, observed: ObservedVolume): Promise<Round> {
    const { book } = this.#journal;
    const isBegun = book.operation?.desired.operationId === desired.operationId;
    const begin: BookEntry[] = isBegun ? [] : [{ kind: 'begin', desired, plan: [...steps] }];
    if (isBegun) await this.#journal.enter(seenDone(book, steps, this.#ports.clock.nowMs()));
    // Not synced by itself: it goes to disk together with the first step's intent.
    const upcoming = this.#journal.preview(begin);
    const run = this.#stepRun(desired, observed, begin);
    const result = await runSteps(run, upcoming, steps);
    return this.#ended(result, desired);
  }

  /** Looks at what the steps made, books it and says it: *applied* and *settled* are never said from memory. */
  async #ended(result: RunResult, desired: DesiredVolume): Promise<Round> {
    if (result.kind === 'interrupted') return this.#stopped ? null : 'again';
    const observed = await this.#look();
    if (result.kind === 'held') return this.#hold(observed);
    if (result.kind === 'failed') return this.#failed(result, observed);
    if (this.#isAmended(desired)) {
      await this.#journal.enter(result.pending);
      return 'again';
    }
    const planned = plannedVolumeOf(desired);
    if (isSettled(observed, planned)) {
      await this.#conclude(result.pending, desired, desired.tombstone ? 'gone' : 'settled', null, observed);
      // What was just seen is as it is wanted, unless something else is wanted by now.
      return desired === this.#desired && !desired.tombstone ? this.#rest(observed) : 'again';
    }
    if (isApplied(observed, planned)) {
      await this.#bookApplied(result.pending, desired, observed);
      return 'again';
    }
    const detail = 'the data plane reported every step as done, but what is observed is not what they make';
    return this.#failed(
      { kind: 'failed', problem: { code: 'step-failed', detail }, retryable: true, pending: result.pending },
      observed,
    );
  }

  /** Other limits are wanted of it by now: its end is to be that of the amended operation. */
  #isAmended(desired: DesiredVolume): boolean {
    return desired.operationId !== this.#desired.operationId && isSameWork(desired, this.#desired);
  }

  async #failed(
    { problem, retryable, pending }: Extract<RunResult, { kind: 'failed' }>,
    observed: ObservedVolume,
  ): Promise<Round> {
    this.#ports.log.warn('a step failed', {
      volumeId: this.#volumeId,
      failures: this.#failures + 1,
      problem: problem.detail,
    });
    const { operation } = this.#journal.book;
    const isPastCutOver = operation?.cutOverIntended === true || hasGrown(this.#journal.book, observed);
    const mustBeCarriedOut = operation !== null && (operation.desired.tombstone || isWayBack(operation.desired));
    if (isPastCutOver || mustBeCarriedOut || (retryable && this.#failures + 1 < MAX_ATTEMPTS_BEFORE_UNDO)) {
      if (pending.length > 0) await this.#journal.enter(pending);
      return this.#wait(`another attempt: ${problem.detail}`, problem, observed);
    }
    await this.#journal.enter([...pending, { kind: 'undoing', problem }]);
    this.#beginAnew();
    return 'again';
  }

  async #heal({ desired, steps }: Extract<Decision, { kind: 'heal' }>, observed: ObservedVolume): Promise<Round> {
    const { clock, log } = this.#ports;
    const stepKinds = steps.map(({ step }) => step.kind);
    log.warn('what was applied is made good', { volumeId: this.#volumeId, generation: desired.generation, stepKinds });
    await this.#journal.enter([{ kind: 'healing', generation: desired.generation, stepKinds, atMs: clock.nowMs() }]);
    const failure = await runHealing(this.#stepRun(desired, observed, []), steps);
    if (failure === 'interrupted') return this.#stopped ? null : 'again';
    if (failure) return this.#notHealed(failure, desired, observed);
    this.#sayings.endAgain();
    const after = await this.#outages.observe();
    if (!isSettled(after, plannedVolumeOf(desired)))
      return this.#wait('what was applied to be built again', null, after);
    await this.#journal.enter([{ kind: 'applied', desired, atMs: clock.nowMs() }]);
    return 'again';
  }

  /** It is tried for ever, since somebody may put back what is missing; that it may take somebody is said after some tries. */
  #notHealed(
    { problem, retryable }: { readonly problem: Problem; readonly retryable: boolean },
    desired: DesiredVolume,
    observed: ObservedVolume,
  ): LookAgain {
    const isLasting = this.#failures + 1 >= (retryable ? MAX_ATTEMPTS_UNTOLD : MAX_ATTEMPTS_BEFORE_UNDO);
    if (!isLasting || desired.operationId !== this.#desired.operationId)
      return this.#wait(`what was applied to be built again: ${problem.detail}`, problem, observed);
    this.#sayings.broken(problem, desired, observed);
    return { afterMs: backoffMs(this.#failures++, this.#ports.random, STEP_BACKOFF) };
  }

  async #undo(problem: Problem, observed: ObservedVolume): Promise<Round> {
    const { operation } = this.#journal.book;
    if (operation === null) return 'again';
    if (operation.undoing === null) await this.#journal.enter([{ kind: 'undoing', problem }]);
    const steps = operation.steps.map(({ planned, outcome }) => ({ planned, index: outcome.index }));
    const failure = await runUndo(this.#stepRun(operation.desired, observed, []), steps);
    if (failure === 'interrupted') return this.#stopped ? null : 'again';
    if (failure) return this.#wait(`the change to be taken back: ${failure.problem.detail}`, failure.problem, observed);
    await this.#journal.enter([{ kind: 'undone', atMs: this.#ports.clock.nowMs() }]);
    this.#beginAnew();
    return 'again';
  }

  async #bookApplied(pending: readonly BookEntry[], desired: DesiredVolume, observed: ObservedVolume): Promise<void> {
    await this.#journal.enter([...pending, { kind: 'applied', desired, atMs: this.#ports.clock.nowMs() }]);
    this.#failures = 0;
    this.#sayings.stands('applied', this.#desired, observed);
  }

  async #conclude(
    pending: readonly BookEntry[],
    desired: DesiredVolume,
    phase: Extract<Decision, { kind: 'conclude' }>['phase'],
    problem: Problem | null,
    observed: ObservedVolume,
  ): Promise<void> {
    const { clock, log } = this.#ports;
    const isBegun = this.#journal.book.operation?.desired.operationId === desired.operationId;
    const begin: BookEntry[] = isBegun || this.#journal.book.operation ? [] : [{ kind: 'begin', desired, plan: [] }];
    const applied: BookEntry[] = phase === 'settled' ? [{ kind: 'applied', desired, atMs: clock.nowMs() }] : [];
    const before = this.#journal.preview([...begin, ...pending]);
    const conclusion = conclusionOf(before, desired, { phase, problem, nowMs: clock.nowMs() });
    const isCurrent = desired.operationId === this.#desired.operationId;
    // Of an operation that a newer one took the place of, nobody hears: the newer one tells of its legs.
    const isTold = isCurrent && phase !== 'needs-operator';
    const formerLegIds = isTold ? [] : [...new Set([...before.formerLegIds, ...conclusion.closedLegIds])];
    await this.#journal.enter([...begin, ...pending, ...applied, { kind: 'concluded', conclusion, formerLegIds }]);
    this.#beginAnew();
    if (isCurrent) this.#sayings.ended(conclusion, desired, observed);
    log.info('an operation ended', {
      volumeId: this.#volumeId,
      operationId: desired.operationId,
      phase,
      problem: problem?.detail,
    });
    await this.#journal.compact();
  }

  #stepRun(desired: DesiredVolume, observed: ObservedVolume, begin: readonly BookEntry[]): StepRun {
    const { cardId, plane, otherVolumeOn, secretsOf, clock } = this.#ports;
    let first = begin;
    this.#legWatch.again();
    return {
      volumeId: this.#volumeId,
      cardId,
      desired,
      plane,
      otherVolumeOn,
      secrets: secretsOf(desired),
      clock,
      attempts: this.#attempts,
      signal: this.#work.signal,
      isHeld: (book) => this.#isHeld(desired, book),
      enter: async (entries) => {
        const book = await this.#journal.enter([...first, ...entries]);
        first = [];
        return book;
      },
      onStep: (step) => this.#sayings.step(step, this.#desired, observed),
      onProgress: (progress) => this.#sayings.progress(progress, this.#desired, observed),
      beforeRetiring: (pending, closed) => this.#beforeRetiring([...pending], desired, closed),
    };
  }

  async #beforeRetiring(
    pending: readonly BookEntry[],
    desired: DesiredVolume,
    stackGeneration: number,
  ): Promise<boolean> {
    const { applied, operation } = this.#journal.book;
    if (desired.tombstone || applied?.operationId === desired.operationId) {
      if (pending.length > 0) await this.#journal.enter(pending);
      return true;
    }
    const observed = await this.#look();
    // Leftovers of an older operation may be closed before a new stack is begun: nothing of the guest is on them.
    if (!isApplied(observed, plannedVolumeOf(desired))) {
      if (pending.length > 0) await this.#journal.enter(pending);
      return operation?.cutOverIntended !== true || isOpenedAnew(observed, desired, stackGeneration);
    }
    await this.#bookApplied(pending, desired, observed);
    return true;
  }
}
