import {
  type AgentRole,
  type CardSnapshot,
  type PoolSnapshot,
  cardReportSchema,
  desiredQuestionSchema,
  inspectAnswerSchema,
  poolReportSchema,
  ProblemError,
  rpc,
} from '@flexbso/contracts';
import { Fleet } from '@flexbso/placement';
import { Scheduler, type Seal, Vault } from '@flexbso/scheduler';
import type { Question, SimBus } from '../bus/sim-bus.js';
import type { SimDatabase } from '../site/sim-database.js';
import type { Chance } from '../time/chance.js';
import type { Timeline } from '../time/timeline.js';
import { type Moment, SimProcess } from './sim-process.js';

export interface SchedulerParts {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly bus: SimBus;
  readonly database: SimDatabase;
  readonly snapshots: {
    readonly cards: ReadonlyMap<string, CardSnapshot>;
    readonly pools: ReadonlyMap<string, PoolSnapshot>;
  };
  readonly endsAt: (moment: Moment) => boolean;
  /** What an operator would read in the log. */
  readonly onWarning: (message: string, facts: Record<string, unknown>) => void;
}

/** 16 MiB a second: a copy of the smallest volumes lasts a few seconds. */
const COPY_BYTES_PER_SECOND = 16 * 1024 ** 2;
/** From the end of one scheduler to the next one's first decision: its lease has to run out. */
const TAKEOVER = { leastMs: 500, mostMs: 6_000 };

const seal: Seal = (_plain, recipient) => ({ from: 'scheduler', sealed: `for ${recipient.slice(0, 4)}` });

/** The scheduler's processes, one active after the other, on one database. */
export class SchedulerHost {
  scheduler: Scheduler | null = null;
  process: SimProcess;
  readonly #parts: SchedulerParts;
  #isTakingOver = false;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.process = this.#newProcess();
  }

  start(): void {
    const { process } = this;
    process.onEnd(() => {
      if (this.process === process) this.replace();
    });
    this.#isTakingOver = false;
    // As in production: one that cannot start, or whose lease is another's, ends.
    this.#run(process).catch(() => process.kill());
  }

  /** Another takes over, once the lease of the one before has run out. */
  replace(): void {
    if (this.#isTakingOver) return;
    this.#isTakingOver = true;
    this.scheduler = null;
    this.#parts.timeline.after(this.#parts.chance.int(TAKEOVER.leastMs, TAKEOVER.mostMs), () => {
      this.process = this.#newProcess();
      this.start();
    });
  }

  hearCard(snapshot: CardSnapshot): void {
    this.scheduler?.hearCardSnapshot(snapshot);
  }

  hearPool(snapshot: PoolSnapshot): void {
    this.scheduler?.hearPoolSnapshot(snapshot);
  }

  #newProcess(): SimProcess {
    return new SimProcess('scheduler', this.#parts.timeline, this.#parts.endsAt);
  }

  async #run(process: SimProcess): Promise<void> {
    const { bus, database, snapshots } = this.#parts;
    const token = database.takeLease();
    const scheduler = this.#make(process, token);
    for (const snapshot of snapshots.cards.values()) scheduler.hearCardSnapshot(snapshot);
    for (const snapshot of snapshots.pools.values()) scheduler.hearPoolSnapshot(snapshot);
    await scheduler.start();
    this.scheduler = scheduler;
    const isServing = (): boolean => database.token === token;
    bus.serve('scheduler', { process, isServing, answer: (question) => answer(scheduler, question) });
    await scheduler.wakeAgents();
  }

  #make(process: SimProcess, token: number): Scheduler {
    const { bus, database, chance, onWarning } = this.#parts;
    return new Scheduler(
      {
        store: database.storeOf(process, token),
        clock: process.clock,
        randomness: chance,
        nudges: { send: (role, id, message) => bus.tell(process, { role, id }, 'nudge', message) },
        inspections: { ask: (role, id) => inspected(bus, process, role, id) },
        tracing: { headers: () => ({}) },
        relay: { wake: () => undefined },
        revisions: { given: () => undefined, began: async () => undefined },
        backups: noBackups,
        alarms: { warn: onWarning },
        vault: new Vault({ wrapKey: new Uint8Array(32), randomness: chance, seal }),
        fleet: new Fleet(),
      },
      { copyBytesPerSecond: COPY_BYTES_PER_SECOND, term: token },
    );
  }
}

async function inspected(bus: SimBus, process: SimProcess, role: AgentRole, id: string) {
  const question = { v: 1, to: { role, id } };
  return inspectAnswerSchema.parse(
    await process.call('inspect', () => bus.askAgent(process, { role, id }, 'inspect', question)),
  );
}

/** A run puts the database back by itself, beneath the scheduler. */
const noBackups = {
  create: () => Promise.reject(new Error('nobody asks for a backup')),
  list: () => Promise.resolve([]),
  restore: () => Promise.reject(new Error('nobody asks for a restore')),
};

function answer(scheduler: Scheduler, { sender, verb, payload }: Question): Promise<unknown> {
  if (sender !== null) {
    if (verb === 'desired')
      return scheduler.agents.answer(sender.role, sender.id, desiredQuestionSchema.parse(payload));
    return sender.role === 'card'
      ? scheduler.agents.hearCard(sender.id, cardReportSchema.parse(payload))
      : scheduler.agents.hearPool(sender.id, poolReportSchema.parse(payload));
  }
  const verbs = rpc.scheduler;
  switch (verb) {
    case 'create-volume':
      return scheduler.volumes.create(verbs[verb].request.parse(payload));
    case 'change-volume':
      return scheduler.volumes.change(verbs[verb].request.parse(payload));
    case 'delete-volume':
      return scheduler.volumes.delete(verbs[verb].request.parse(payload));
    case 'failover-volume':
      return scheduler.volumes.failover(verbs[verb].request.parse(payload));
    case 'get-volume':
      return scheduler.queries.getVolume(verbs[verb].request.parse(payload));
    case 'get-change':
      return scheduler.queries.getChange(verbs[verb].request.parse(payload));
    case 'list-differences':
      return scheduler.settlements.list(verbs[verb].request.parse(payload));
    case 'adopt':
      return scheduler.settlements.adopt(verbs[verb].request.parse(payload));
    case 'delete-diverged':
      return scheduler.settlements.delete(verbs[verb].request.parse(payload));
    case 'check':
      return scheduler.checks.run(verbs[verb].request.parse(payload));
    default:
      throw new ProblemError({ code: 'not-found', detail: `the scheduler knows no ${verb}` });
  }
}
