import {
  type AgentRole,
  type LegReport,
  ProblemError,
  type RegisterCard,
  type RegisterPool,
  type VolumeReport,
  cardReportSchema,
  inspectQuestionSchema,
  measureSchema,
  poolReportSchema,
  reportReplySchema,
} from '@flexbso/contracts';
import { withTraceHeaders } from '@flexbso/observability';
import { z } from 'zod';
import type { Session } from './identity/session.js';
import type { DesiredItem, StateKeeper } from './link/agent-state.js';
import { DesiredFeed } from './link/desired-feed.js';
import type { DesiredMessage } from './link/judge-desired.js';
import { inspect } from './link/inspect.js';
import { Registration } from './link/registration.js';
import type { Addressed, AgentBus } from './ports/bus.js';
import type { Clock } from './ports/clock.js';
import type { AgentLog } from './ports/log.js';
import type { Randomness } from './ports/randomness.js';
import { ReportOutbox } from './reports/report-outbox.js';
import { smallerReport } from './reports/smaller-report.js';
import type { RolePart } from './role.js';
import { jittered } from './pacing/backoff.js';

export interface AgentTimings {
  /** Between two questions for the desired state; a lost nudge costs at most this. */
  readonly beatMs: number;
  readonly measureMs: number;
  readonly requestTimeoutMs: number;
}

/** What a registration says of the machine itself. */
export type Identity = Pick<
  RegisterCard,
  'serial' | 'model' | 'agentVersion' | 'hostId' | 'failureDomain' | 'labels' | 'sealingKey'
>;

export interface AgentPorts<Item, Report> {
  readonly role: AgentRole;
  readonly id: string;
  readonly identity: Identity;
  readonly session: Session;
  readonly keeper: StateKeeper<Item>;
  readonly answerSchema: z.ZodType<DesiredMessage<Item> & Addressed>;
  readonly bus: AgentBus;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly timings: AgentTimings;
  /** Makes the role, given where its reports go. */
  readonly makeRole: (report: ReportTo<Report>) => RolePart<Item>;
  /** A newer session has taken over this identity: this process must end. */
  readonly onFenced: (problem: ProblemError) => void;
}

export type ReportTo<Report> = (
  name: string,
  report: Report,
  trace: Readonly<Record<string, string>>,
  urgent: boolean,
) => void;
type AnyReport = VolumeReport | LegReport;

const reportSchema = z.union([cardReportSchema, poolReportSchema]);
/** The contract's bound. */
const MAX_MEASURED = 1_000;
/** The name of the report that is of no volume: that agent and scheduler disagree. */
const OWN_REPORT = '';

/** An agent in one role: hears what is wanted, has its role make it so, and says what became of it. */
export class Agent<Item extends DesiredItem, Report extends AnyReport> {
  readonly #ports: AgentPorts<Item, Report>;
  readonly #role: RolePart<Item>;
  readonly #outbox: ReportOutbox<Report | null>;
  readonly #feed: DesiredFeed<Item>;
  readonly #registration: Registration;
  readonly #stop = new AbortController();
  #diverged: string | null = null;
  #measuring: Promise<void> | null = null;

  constructor(ports: AgentPorts<Item, Report>) {
    this.#ports = ports;
    const { timings } = ports;
    this.#outbox = new ReportOutbox<Report | null>({
      ...ports,
      send: (report, trace) => this.#send(report, trace),
      smaller: (report, why) => report && { report: smallerReport(report, why) },
      onAccepted: (name, report, stale) => this.#accepted(name, report, stale),
    });
    this.#role = ports.makeRole((name, report, trace, urgent) => this.#outbox.put(name, report, trace, urgent));
    this.#feed = new DesiredFeed<Item>({
      ...ports,
      ...timings,
      nameOf: (item) => this.#role.nameOf(item),
      running: () => this.#role.running(),
      onItems: (items) => this.#role.accept(items),
      onDiverged: (differences) => this.#setDiverged(differences),
    });
    this.#registration = new Registration({
      ...ports,
      ...timings,
      inventory: () => this.#inventory(),
      onRegistered: () => this.#feed.ask(),
    });
  }

  /** Begins with what was last wanted; asks nobody for it. Resolves when everything is under way. */
  async start(): Promise<void> {
    const { bus, keeper } = this.#ports;
    await this.#role.start(keeper.state.items);
    bus.onReconnect(() => {
      this.#registration.again();
      this.#feed.ask();
    });
    await bus.hear('inspect', inspectQuestionSchema, ({ after }) => inspect(this.#role, keeper.state, after));
    await this.#feed.start();
    this.#registration.start();
    this.#measuring = this.#measure();
  }

  /** Parks what is under way and says nothing more; what runs in the data plane goes on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#feed.stop(), this.#registration.stop(), this.#measuring]);
    await this.#role.stop();
    await this.#outbox.stop();
    await this.#ports.keeper.stop();
  }

  async #inventory(): Promise<RegisterCard | RegisterPool> {
    const { identity, session } = this.#ports;
    const found = await this.#role.discover();
    return { v: 1, ...session, ...identity, ...found };
  }

  async #send(report: Report | null, trace: Readonly<Record<string, string>>): Promise<{ stale: boolean }> {
    const { bus, session, keeper, timings, onFenced } = this.#ports;
    const { incarnation, revision } = keeper.state;
    if (incarnation === null) throw new Error('nothing is reported before a scheduler was ever followed');
    const common = { v: 1 as const, ...session, incarnation, revision, diverged: this.#diverged };
    const payload = { ...common, ...this.#entries(report) };
    try {
      const schemas = { request: reportSchema, reply: reportReplySchema };
      const reply = await withTraceHeaders(trace, () => bus.ask('report', schemas, payload, timings.requestTimeoutMs));
      return { stale: report !== null && reply.staleOperationIds.includes(report.operationId) };
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'fenced') onFenced(error);
      throw error;
    }
  }

  #entries(report: Report | null): { volumes: VolumeReport[] } | { legs: LegReport[] } {
    if (this.#ports.role === 'card') return { volumes: report && 'volumeId' in report ? [report] : [] };
    return { legs: report && 'legId' in report ? [report] : [] };
  }

  /** What is gone, and known to be, is forgotten; a report of an old operation means that something newer is wanted. */
  #accepted(name: string, report: Report | null, stale: boolean): void {
    if (stale) this.#feed.ask();
    if (report === null || stale || (report.phase !== 'gone' && report.phase !== 'deleted')) return;
    void this.#forget(name, report.operationId);
  }

  async #forget(name: string, operationId: string): Promise<void> {
    const { log } = this.#ports;
    try {
      await this.#role.forget(name, operationId, (revision) => this.#drop(name, revision));
    } catch (error) {
      log.warn('what is gone was not forgotten; the next start does it', { name, error: String(error) });
    }
  }

  /** Takes it out of the kept state, for good: a state that still had it would have it made again after a crash. */
  async #drop(name: string, revision: number): Promise<boolean> {
    const { keeper } = this.#ports;
    const { state } = keeper;
    const isNewer = (item: Item): boolean => this.#role.nameOf(item) !== name || item.revision > revision;
    keeper.set({ ...state, items: state.items.filter(isNewer) });
    return keeper.saved();
  }

  #setDiverged(differences: string | null): void {
    this.#diverged = differences?.slice(0, 500) ?? null;
    this.#outbox.put(OWN_REPORT, null, {}, true);
  }

  async #measure(): Promise<void> {
    const { clock, random, timings, bus, log } = this.#ports;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(jittered(timings.measureMs, random), this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        const { volumes, legs } = await this.#role.measure(MAX_MEASURED);
        const agentResidentBytes = process.memoryUsage.rss();
        await bus.send('measure', measureSchema, {
          v: 1,
          atMs: clock.nowMs(),
          volumes: [...volumes],
          legs: [...legs],
          agentResidentBytes,
        });
      } catch (error) {
        log.warn('no measurement was sent', { error: String(error) });
      }
    }
  }
}
