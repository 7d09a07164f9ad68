import {
  Agent,
  type AgentLog,
  CardRole,
  PoolRole,
  type Sealer,
  StateKeeper,
  cardStateSchema,
  nextSession,
  poolStateSchema,
} from '@flexbso/agent';
import { type AgentRole, cardDesiredSchema, poolDesiredSchema } from '@flexbso/contracts';
import {
  type Call,
  MemoryCard,
  MemoryCardDataPlane,
  MemoryPoolDataPlane,
  type MemoryWorld,
} from '@flexbso/dataplane-memory';
import type { SimBus } from '../bus/sim-bus.js';
import type { Faults } from '../faults/faults.js';
import { Disk, journalOf, stateOf } from '../site/disk.js';
import { planeHooks } from '../site/plane-hooks.js';
import type { Chance } from '../time/chance.js';
import type { Timeline } from '../time/timeline.js';
import { agentBus } from './agent-bus.js';
import { type Moment, SimProcess } from './sim-process.js';

export interface Machine {
  readonly role: AgentRole;
  readonly id: string;
  readonly host: string;
  readonly rack: string;
  /** Of a pool: who can have its legs. */
  readonly reach?: 'host' | 'network';
}

export interface AgentParts {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly faults: Faults;
  readonly bus: SimBus;
  readonly world: MemoryWorld;
  /** Whether a process ends at this moment. */
  readonly endsAt: (moment: Moment) => boolean;
  readonly onActed: (call: Call) => void;
}

/** As by default, but for measurements, which decide nothing. */
const TIMINGS = { beatMs: 5_000, measureMs: 3_600_000, requestTimeoutMs: 2_000 };
const CARD_LOOK_MS = 15_000;
/** Five times as long as by default: most of a run would be looks at legs at rest. */
const POOL_LOOK_MS = 10_000;
/** A process that ended is started again by its machine. */
const RESTART = { leastMs: 100, mostMs: 3_000 };
/** Longer than inventory waits for an agent, and than it waits when several are silent at once. */
const LONG_AWAY = { leastMs: 30_000, mostMs: 120_000 };

const silent: AgentLog = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** Nobody in a run opens what is sealed but those for whom it is. */
const openSealer: Sealer = {
  publicKey: `X${'A'.repeat(55)}`,
  open: (secret) => new TextEncoder().encode(secret.sealed),
  seal: () => ({ from: 'pool', sealed: 'sealed' }),
};

/** A machine with its disk and its data plane, and one life after the other of the agent on it. */
export class AgentHost {
  readonly machine: Machine;
  readonly disk = new Disk();
  /** Null on a pool's machine. */
  readonly card: MemoryCard | null;
  process: SimProcess;
  #isAway = false;
  readonly #parts: AgentParts;

  constructor(machine: Machine, parts: AgentParts) {
    this.machine = machine;
    this.#parts = parts;
    this.card = machine.role === 'card' ? new MemoryCard(parts.world, machine.id, () => parts.timeline.nowMs) : null;
    this.process = this.#newProcess();
  }

  get name(): string {
    return `agent ${this.machine.role} ${this.machine.id}`;
  }

  start(): void {
    const { process } = this;
    process.onEnd(() => {
      this.disk.lastSignMs = this.#parts.timeline.nowMs;
      this.#parts.faults.progress.allEnded(process.name);
      this.#parts.timeline.after(this.#awayMs(), () => {
        this.#isAway = false;
        this.process = this.#newProcess();
        this.start();
      });
    });
    void this.#run(process);
  }

  /** The machine is off, and not to come back soon. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** The machine is off for so long that its volumes can be failed over; what runs on the card goes on. */
  goAwayForLong(): void {
    this.#isAway = true;
    this.process.kill();
  }

  #awayMs(): number {
    const { leastMs, mostMs } = this.#isAway ? LONG_AWAY : RESTART;
    return this.#parts.chance.int(leastMs, mostMs);
  }

  #newProcess(): SimProcess {
    return new SimProcess(this.name, this.#parts.timeline, this.#parts.endsAt);
  }

  async #run(process: SimProcess): Promise<void> {
    this.disk.lives += 1;
    await (this.machine.role === 'card' ? this.#cardAgent(process) : this.#poolAgent(process));
  }

  async #cardAgent(process: SimProcess): Promise<void> {
    const shared = this.#shared(process);
    const keeper = await StateKeeper.open(stateOf(this.disk, process), cardStateSchema, shared.clock, silent);
    const { card } = this;
    if (card === null) throw new Error(`${this.name} has no card`);
    const plane = new MemoryCardDataPlane({ card, clock: process.clock, hooks: this.#hooks(process) });
    await new Agent({
      ...shared,
      keeper,
      answerSchema: cardDesiredSchema,
      makeRole: (report) =>
        new CardRole({
          ...shared,
          cardId: this.machine.id,
          plane,
          journal: journalOf(this.disk, process, this.#parts.faults),
          sealer: openSealer,
          report,
          lookMs: CARD_LOOK_MS,
          lastSignMs: this.disk.lastSignMs,
        }),
    }).start();
  }

  async #poolAgent(process: SimProcess): Promise<void> {
    const shared = this.#shared(process);
    const keeper = await StateKeeper.open(stateOf(this.disk, process), poolStateSchema, shared.clock, silent);
    const plane = new MemoryPoolDataPlane({
      world: this.#parts.world,
      poolId: this.machine.id,
      ...(this.machine.reach === undefined ? {} : { reach: this.machine.reach }),
      hooks: this.#hooks(process),
    });
    await new Agent({
      ...shared,
      keeper,
      answerSchema: poolDesiredSchema,
      makeRole: (report) =>
        new PoolRole({
          ...shared,
          poolId: this.machine.id,
          plane,
          journal: journalOf(this.disk, process, this.#parts.faults),
          sealer: openSealer,
          report,
          lookMs: POOL_LOOK_MS,
        }),
    }).start();
  }

  #hooks(process: SimProcess) {
    return planeHooks({ ...this.#parts, process });
  }

  #shared(process: SimProcess) {
    const { bus, chance, timeline } = this.#parts;
    const { role, id, host, rack } = this.machine;
    return {
      role,
      id,
      identity: {
        serial: `serial-${id}`,
        model: 'simulated',
        agentVersion: '0.1.0',
        hostId: host,
        failureDomain: { host, rack },
        labels: {},
        sealingKey: openSealer.publicKey,
      },
      session: nextSession(this.disk.lives, timeline.nowMs, chance.uuid()),
      bus: agentBus(bus, process, { role, id }),
      clock: process.clock,
      random: chance,
      log: silent,
      timings: TIMINGS,
      onFenced: (): void => process.kill(),
    };
  }
}
