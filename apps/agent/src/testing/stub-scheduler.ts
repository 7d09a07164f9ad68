import {
  type AgentRole,
  type CardReport,
  type DesiredLeg,
  type DesiredVolume,
  type DownVerb,
  type LegReport,
  type PoolReport,
  ProblemError,
  type UpVerb,
  type VolumeReport,
  cardReportSchema,
  desiredQuestionSchema,
  poolReportSchema,
} from '@flexbso/contracts';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { Addressed, AgentBus, Schemas } from '../ports/bus.js';
import type { Fuse } from './fuse.js';

type Item = { readonly revision: number };

/** Inventory and scheduler of one agent in a few lines, and a bus to it that checks every shape. */
export class StubScheduler {
  readonly #to: { readonly role: AgentRole; readonly id: string };
  incarnation = randomUUID();
  term = 1;
  revision = 0;
  items = new Map<string, Item>();
  /** Said with each answer to a question, as to a card of another life while nothing is paused. */
  isResumed = false;
  readonly volumeReports: VolumeReport[] = [];
  readonly legReports: LegReport[] = [];
  readonly envelopes: (CardReport | PoolReport)[] = [];
  registrations = 0;
  measures = 0;
  questions = 0;
  /** Called for each message up; may throw as a bus or a service does, or never resolve. */
  onMessage: (verb: UpVerb) => Promise<void> | void = () => undefined;
  /** Reports that are refused for their form. */
  refuses: (report: CardReport | PoolReport) => boolean = () => false;
  isStale: (operationId: string) => boolean = () => false;
  #nudge: ((payload: unknown) => Promise<unknown>) | null = null;
  #inspect: ((payload: unknown) => Promise<unknown>) | null = null;
  #reconnect: (() => void)[] = [];

  constructor(role: AgentRole, id: string) {
    this.#to = { role, id };
  }

  /** Commits an entry; `isNudged`: the agent is told at once. */
  async want(name: string, item: DesiredVolume | DesiredLeg, isNudged = true): Promise<void> {
    const sinceRevision = this.revision++;
    const entry = { ...item, revision: this.revision };
    this.items.set(name, entry);
    if (isNudged) await this.nudge(sinceRevision, [entry]);
  }

  async nudge(sinceRevision: number, items: readonly Item[]): Promise<void> {
    await this.#nudge?.({ ...this.#head(), sinceRevision, revision: this.revision, items });
  }

  inspect(): Promise<unknown> {
    return this.#inspect?.({ v: 1, to: this.#to }) ?? Promise.reject(new Error('nobody hears'));
  }

  reconnect(): void {
    for (const handler of this.#reconnect) handler();
  }

  /** The newest report of a volume's operation. */
  said(operationId: string): VolumeReport | undefined {
    return this.volumeReports.findLast((report) => report.operationId === operationId);
  }

  saidOfLeg(operationId: string): LegReport | undefined {
    return this.legReports.findLast((report) => report.operationId === operationId);
  }

  /** Has nudges go another way than the double of the bus. */
  nudgeBy(nudge: (payload: unknown) => Promise<unknown>): void {
    this.#nudge = nudge;
  }

  bus(fuse: Fuse): AgentBus {
    this.#reconnect = [];
    return {
      ask: (verb, schemas, payload) => fuse.around(verb, () => this.#ask(verb, schemas, payload)),
      send: async (_verb, schema, payload) => {
        schema.parse(payload);
        this.measures++;
      },
      hear: async <Payload extends Addressed>(
        verb: DownVerb,
        schema: z.ZodType<Payload>,
        handler: (payload: Payload) => Promise<unknown>,
      ) => {
        const heard = async (payload: unknown) => handler(schema.parse(payload));
        if (verb === 'nudge') this.#nudge = async (payload) => (fuse.blown ? undefined : heard(payload));
        else this.#inspect = heard;
      },
      onReconnect: (handler) => this.#reconnect.push(handler),
      close: async () => undefined,
    };
  }

  async #ask<Request, Reply>(verb: UpVerb, schemas: Schemas<Request, Reply>, payload: Request): Promise<Reply> {
    await this.onMessage(verb);
    schemas.request.parse(payload);
    return schemas.reply.parse(this.answer(verb, payload));
  }

  /** What inventory or scheduler answer to a message up. */
  answer(verb: UpVerb, payload: unknown): unknown {
    switch (verb) {
      case 'register':
        this.registrations++;
        return { accepted: true, leaseMs: 15_000, heartbeatMs: 5_000 };
      case 'heartbeat':
        return { accepted: true, register: false };
      case 'desired': {
        this.questions++;
        const { sinceRevision } = desiredQuestionSchema.parse(payload);
        const items = [...this.items.values()].filter((item) => item.revision > sinceRevision);
        const resumed = this.isResumed ? { resumed: true } : {};
        return { ...this.#head(), ...resumed, sinceRevision, revision: this.revision, items };
      }
      case 'report':
        return { accepted: true, staleOperationIds: this.#take(payload) };
      default:
        throw new ProblemError({ code: 'not-found', detail: verb });
    }
  }

  #take(payload: unknown): string[] {
    const report = this.#to.role === 'card' ? cardReportSchema.parse(payload) : poolReportSchema.parse(payload);
    if (this.refuses(report)) throw new ProblemError({ code: 'invalid-request', detail: 'no such field' });
    this.envelopes.push(report);
    const entries = 'volumes' in report ? report.volumes : report.legs;
    if ('volumes' in report) this.volumeReports.push(...report.volumes);
    else this.legReports.push(...report.legs);
    return entries.map(({ operationId }) => operationId).filter((operationId) => this.isStale(operationId));
  }

  #head() {
    return { v: 1, to: this.#to, incarnation: this.incarnation, term: this.term };
  }
}
