import { type Problem, type ProblemCode, ProblemError } from '@flexbso/contracts';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import { backoffMs } from '../pacing/backoff.js';

export interface OutboxPorts<Report> {
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  /** Sends one report in the trace of `trace`. Resolves with whether its operation was already an old one. */
  readonly send: (report: Report, trace: Readonly<Record<string, string>>) => Promise<{ stale: boolean }>;
  /** The same report with nothing but what it is about, for one that was refused for `why`; null: it has no smaller form. */
  readonly smaller: (report: Report, why: Problem) => { readonly report: Report } | null;
  readonly onAccepted: (name: string, report: Report, stale: boolean) => void;
}

/** Answers that the same report would only get again. What must not be said at all is not said smaller either. */
const refusals: readonly ProblemCode[] = ['invalid-request', 'body-too-large', 'forbidden'];
/** Progress is for people: twice a second is as much as anyone reads. */
const PROGRESS_EVERY_MS = 500;
/** Said with each abort: without a reason one makes an error with its stack. */
const HURRY = 'hurry';

interface Waiting<Report> {
  readonly report: Report;
  readonly trace: Readonly<Record<string, string>>;
  /** It was refused before, and this is its smaller form. */
  readonly isSmaller: boolean;
}

interface Slot<Report> {
  latest: Waiting<Report> | null;
  urgent: boolean;
  sentAtMs: number;
  hurry: AbortController;
  sending: Promise<void> | null;
}

/**
 * Says each thing's newest report until it is accepted, one message at a time for each name: a newer
 * report takes the place of one that waits. Each report is a message of its own, in its own change's trace.
 * Names are volumes or legs, so their number is bounded by what the agent runs.
 */
export class ReportOutbox<Report> {
  readonly #ports: OutboxPorts<Report>;
  readonly #slots = new Map<string, Slot<Report>>();
  readonly #stop = new AbortController();

  constructor(ports: OutboxPorts<Report>) {
    this.#ports = ports;
  }

  /** `urgent`: at once; otherwise at most twice a second. */
  put(name: string, report: Report, trace: Readonly<Record<string, string>>, urgent: boolean): void {
    if (this.#stop.signal.aborted) return;
    const slot = this.#slots.get(name) ?? {
      latest: null,
      urgent: false,
      sentAtMs: -Infinity,
      hurry: new AbortController(),
      sending: null,
    };
    this.#slots.set(name, slot);
    slot.latest = { report, trace, isSmaller: false };
    if (urgent) {
      slot.urgent = true;
      slot.hurry.abort(HURRY);
    }
    this.#send(name, slot);
  }

  #send(name: string, slot: Slot<Report>): void {
    slot.sending ??= this.#drain(name, slot).finally(() => {
      slot.sending = null;
      // Put when the last one was just through and nobody looked any more: it would wait for the next.
      if (slot.latest && !this.#stop.signal.aborted) this.#send(name, slot);
    });
  }

  /** Sends nothing more. What was not accepted is said again from the journal by the agent's next life. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const slot of this.#slots.values()) slot.hurry.abort(HURRY);
    await Promise.all([...this.#slots.values()].map(({ sending }) => sending ?? Promise.resolve()));
  }

  async #drain(name: string, slot: Slot<Report>): Promise<void> {
    let attempts = 0;
    let wasUrgent = false;
    while (slot.latest && !this.#stop.signal.aborted) {
      await this.#pace(slot);
      const taken = slot.latest;
      slot.latest = null;
      wasUrgent = slot.urgent;
      slot.urgent = false;
      try {
        const { stale } = await this.#ports.send(taken.report, taken.trace);
        attempts = 0;
        slot.sentAtMs = this.#ports.clock.nowMs();
        this.#ports.onAccepted(name, taken.report, stale);
      } catch (error) {
        // A newer report may have come meanwhile: then this one is of no use any more.
        slot.latest ??= this.#next(taken, error);
        slot.urgent = true;
        this.#ports.log.warn('a report was not accepted', { name, attempts: ++attempts, error: String(error) });
        await this.#ports.clock.sleep(backoffMs(attempts, this.#ports.random), this.#stop.signal);
      }
    }
    // What ends an operation is urgent. Before that the slot is kept, since it knows when progress was last said.
    if (!slot.latest && wasUrgent) this.#slots.delete(name);
  }

  /** What is refused for its form is refused for ever, and repeating it would only hide it: it is said once more, smaller. */
  #next(taken: Waiting<Report>, error: unknown): Waiting<Report> | null {
    if (!(error instanceof ProblemError) || !refusals.includes(error.code)) return taken;
    const smaller =
      taken.isSmaller || error.code === 'forbidden' ? null : this.#ports.smaller(taken.report, error.problem);
    return smaller && { ...taken, ...smaller, isSmaller: true };
  }

  async #pace(slot: Slot<Report>): Promise<void> {
    const { clock } = this.#ports;
    const waitMs = slot.sentAtMs + PROGRESS_EVERY_MS - clock.nowMs();
    slot.hurry = new AbortController();
    if (!slot.urgent && waitMs > 0) await clock.sleep(waitMs, slot.hurry.signal);
  }
}
