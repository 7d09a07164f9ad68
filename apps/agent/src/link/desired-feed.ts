import { ProblemError, desiredQuestionSchema } from '@flexbso/contracts';
import type { z } from 'zod';
import type { Session } from '../identity/session.js';
import type { Addressed, AgentBus } from '../ports/bus.js';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import { backoffMs, jittered } from '../pacing/backoff.js';
import type { StateKeeper } from './agent-state.js';
import { type DesiredMessage, type Judgement, judgeAnswer, judgeNudge } from './judge-desired.js';

export interface FeedPorts<Item> {
  readonly bus: AgentBus;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly session: Session;
  readonly keeper: StateKeeper<Item>;
  readonly answerSchema: z.ZodType<DesiredMessage<Item> & Addressed>;
  readonly nameOf: (item: Item) => string;
  /** Names of what runs here now, observed. */
  readonly running: () => Promise<readonly string[]>;
  readonly onItems: (items: readonly Item[]) => void;
  readonly onDiverged: (differences: string | null) => void;
  /** A newer session has taken over: this one must end. */
  readonly onFenced: (problem: ProblemError) => void;
  readonly beatMs: number;
  readonly requestTimeoutMs: number;
}

/** Said with each abort: without a reason one makes an error with its stack. */
const WOKEN = 'woken';

/** Learns what is wanted: asks at the start, when told to, and at a slow beat; hears nudges in between. */
export class DesiredFeed<Item extends { readonly revision: number }> {
  readonly #ports: FeedPorts<Item>;
  readonly #stop = new AbortController();
  #nap = new AbortController();
  #asked = false;
  #finished: Promise<void> | null = null;
  #diverged: string | null = null;
  /** Nudges of replaced schedulers, since the start. */
  #staleNudges = 0;

  constructor(ports: FeedPorts<Item>) {
    this.#ports = ports;
  }

  async start(): Promise<void> {
    const { bus, answerSchema } = this.#ports;
    await bus.hear('nudge', answerSchema, async (nudge) => this.#nudged(nudge));
    this.#finished = this.#run();
  }

  /** Asks soon, once: the connection came back, or a report was answered as stale. */
  ask(): void {
    this.#asked = true;
    this.#nap.abort(WOKEN);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#nap.abort(WOKEN);
    await this.#finished;
  }

  #nudged(nudge: DesiredMessage<Item>): void {
    if (this.#stop.signal.aborted) return;
    const { keeper, nameOf } = this.#ports;
    // Whoever answers is not whom this agent follows: an order of that one may come late, when what it is about has been
    // settled without it. An answer tells.
    if (this.#diverged !== null) return this.ask();
    this.#act(judgeNudge(keeper.state, nudge, nameOf));
  }

  async #run(): Promise<void> {
    const { clock, random, beatMs, log } = this.#ports;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#asked = false;
      this.#nap = new AbortController();
      try {
        await this.#askOnce();
        failures = 0;
      } catch (error) {
        failures++;
        if (error instanceof ProblemError && error.code === 'fenced') this.#ports.onFenced(error);
        log.warn('the desired state was not learned', { failures, error: String(error) });
      }
      const restMs = failures > 0 ? Math.min(beatMs, backoffMs(failures, random)) : jittered(beatMs, random);
      if (!this.#isAsked()) await clock.sleep(restMs, this.#nap.signal);
    }
  }

  #isAsked(): boolean {
    return this.#asked || this.#stop.signal.aborted;
  }

  async #askOnce(): Promise<void> {
    const { bus, session, keeper, answerSchema, nameOf, running, requestTimeoutMs } = this.#ports;
    const { incarnation, revision, term } = keeper.state;
    const question = { v: 1 as const, ...session, incarnation, sinceRevision: revision };
    const answer = await bus.ask(
      'desired',
      { request: desiredQuestionSchema, reply: answerSchema },
      question,
      requestTimeoutMs,
    );
    const present = answer.sinceRevision === 0 ? await running() : [];
    if (this.#stop.signal.aborted) return;
    // A nudge may have been faster: the answer is judged against the state as it is now.
    if (
      keeper.state.revision > revision &&
      answer.incarnation === keeper.state.incarnation &&
      answer.revision <= keeper.state.revision
    )
      return;
    // Another scheduler took over and was heard while this answer was under way: it is asked instead.
    if (answer.term >= term && answer.term < keeper.state.term) return this.ask();
    this.#act(judgeAnswer(keeper.state, answer, present, nameOf));
  }

  #act(judgement: Judgement<Item>): void {
    const { keeper, onItems, log } = this.#ports;
    switch (judgement.kind) {
      case 'apply':
        // Said at once, and not at the next beat: before it is said, nothing new is placed here.
        if (judgement.state.incarnation !== keeper.state.incarnation) this.ask();
        keeper.set(judgement.state);
        this.#setDiverged(null);
        onItems(judgement.items);
        return;
      case 'ignore':
        this.#setDiverged(null);
        return;
      case 'ask':
        this.ask();
        return;
      case 'stale':
        this.#staleNudges++;
        log.warn('nudge of a scheduler that was replaced refused', {
          term: judgement.term,
          heardTerm: judgement.heard,
          refused: this.#staleNudges,
        });
        return;
      case 'diverged':
        if (this.#diverged !== judgement.differences)
          log.error('diverged from the scheduler', { differences: judgement.differences });
        this.#setDiverged(judgement.differences);
        this.#goOn(judgement.resumed);
    }
  }

  /** Revision and life stay: it is what the agent was given, and held no more. */
  #goOn(resumed: readonly Item[]): void {
    if (resumed.length === 0) return;
    const { keeper, nameOf, onItems } = this.#ports;
    const byName = new Map(resumed.map((item) => [nameOf(item), item]));
    keeper.set({ ...keeper.state, items: keeper.state.items.map((item) => byName.get(nameOf(item)) ?? item) });
    onItems(resumed);
  }

  #setDiverged(differences: string | null): void {
    if (this.#diverged === differences) return;
    this.#diverged = differences;
    this.#ports.onDiverged(differences);
  }
}
