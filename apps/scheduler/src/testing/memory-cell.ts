import { createHash } from 'node:crypto';
import {
  type AgentRole,
  cardDesiredSchema,
  type Change,
  type DesiredQuestion,
  type InspectAnswer,
  type PauseList,
  poolDesiredSchema,
  type ProblemCode,
  ProblemError,
  type Volume,
  type VolumePatch,
} from '@flexbso/contracts';
import { MemoryDatabase } from '@flexbso/persistence/memory';
import { Fleet } from '@flexbso/placement';
import { MemoryBackups } from '../backups/memory-backups.js';
import { type Seal, Vault } from '../keys/vault.js';
import type { Randomness } from '../ports.js';
import { Scheduler } from '../scheduler.js';
import { SchedulerContents } from '../store/memory-contents.js';
import { MemoryStore } from '../store/memory-store.js';
import { FakeCard, FakePool } from './fake-agents.js';
import { aCard, aPool, aSpec, fleetOperator, operator, reader } from './fixtures.js';

/** Random-looking bytes that a seed always gives. */
export function seededRandomness(seed: string): Randomness {
  let count = 0;
  return {
    bytes: (length) => {
      count += 1;
      const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, block) =>
        createHash('sha256').update(`${seed}/${count}/${block}`).digest(),
      );
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}

const seal: Seal = (_plain, recipient) => ({ from: 'scheduler', sealed: `sealed-for-${recipient.slice(0, 4)}` });

/** Placement breaks ties by ids, and ids come from the incarnation: each spec meets the same fleet in the same way. */
function ofOneLife(): SchedulerContents {
  const contents = new SchedulerContents();
  contents.incarnation = '018f2f60-0000-4000-8000-0000000000ff';
  return contents;
}

/** A scheduler with cards and pools in one process: two cards, three pools, a store in memory, a clock that is set. */
export class MemoryCell {
  readonly #randomness = seededRandomness('cell');
  readonly #storage = { randomness: this.#randomness, fence: async () => undefined };
  readonly #connection = new MemoryDatabase(ofOneLife()).connect();
  readonly store = new MemoryStore(this.#connection, this.#storage);
  readonly backups = new MemoryBackups(this.#connection, this.#storage);
  readonly cards: FakeCard[];
  readonly pools: FakePool[];
  scheduler: Scheduler;
  fleet = new Fleet();
  nowMs = 1_000_000;
  nudged: string[] = [];
  /** Counted as given to agents. */
  revisions = 0;
  /** What an operator would read in the log. */
  warned: string[] = [];
  #keys = 0;

  constructor() {
    this.scheduler = this.#make();
    this.cards = ['card-1', 'card-2'].map((id) => new FakeCard(id, this.#cardLink(id)));
    this.pools = ['pool-1', 'pool-2', 'pool-3'].map((id) => new FakePool(id, this.#poolLink(id)));
    this.showFleet();
  }

  static async start(): Promise<MemoryCell> {
    const cell = new MemoryCell();
    await cell.scheduler.start();
    await cell.meet();
    return cell;
  }

  /** All agents hear of this life of the database, and say that they follow it: nothing is placed on them before. */
  async meet(): Promise<void> {
    await this.settle();
    await this.settle();
  }

  showFleet(): void {
    for (const { id } of this.cards) this.scheduler.hearCardSnapshot(aCard(id));
    for (const { id } of this.pools) this.scheduler.hearPoolSnapshot(aPool(id));
  }

  /** The scheduler dies and starts again over the same store. */
  async restart(): Promise<void> {
    this.fleet = new Fleet();
    this.scheduler = this.#make();
    this.showFleet();
    await this.scheduler.start();
    await this.scheduler.wakeAgents();
  }

  /** Lets all agents ask and report until nobody has anything new. */
  async settle(): Promise<void> {
    // A change takes some ten rounds; more is a loop that does not end.
    for (let round = 0; round < 100; round += 1) {
      // What is done aside of requests gives agents work too.
      await this.scheduler.idle();
      let isBusy = false;
      for (const agent of [...this.pools, ...this.cards]) isBusy = (await agent.catchUp()) || isBusy;
      if (!isBusy) return;
    }
    throw new Error('the agents do not come to rest');
  }

  /** A fresh request as the gateway would send it. */
  asked() {
    this.#keys += 1;
    return { v: 1 as const, caller: operator, idempotencyKey: `key-${this.#keys}` };
  }

  /** Asks for a volume and lets the agents come to rest. @returns the volume as it was accepted. */
  async create(spec: Parameters<typeof aSpec>[0] = {}): Promise<Volume> {
    const { volume } = await this.scheduler.volumes.create({ ...this.asked(), spec: aSpec(spec) });
    await this.settle();
    return volume;
  }

  /** Asks for a change of the generation that the volume has now; the agents have not heard of it yet. */
  async change(patch: VolumePatch, name = 'vol-a'): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volumeNow(name);
    return this.scheduler.volumes.change({ ...this.asked(), volume: name, basedOnGeneration: generation, patch });
  }

  /** The card is not heard any more, and inventory says so. What runs there goes on. */
  loseCard(cardId: string): void {
    this.cardOf({ cardId }).isAway = true;
    this.scheduler.hearCardSnapshot({ ...aCard(cardId), state: 'unreachable', unreachableSinceMs: this.nowMs });
  }

  cardReturns(cardId: string): void {
    this.cardOf({ cardId }).isAway = false;
    this.scheduler.hearCardSnapshot(aCard(cardId));
  }

  /** Asks for a failover of the generation that the volume has now; the agents have not heard of it yet. */
  async failover(cardId?: string, name = 'vol-a'): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volumeNow(name);
    const wish = cardId === undefined ? {} : { cardId };
    return this.scheduler.volumes.failover({ ...this.asked(), volume: name, basedOnGeneration: generation, ...wish });
  }

  /** Asks for an end of its attachment; the agents have not heard of it yet. */
  async detach(name = 'vol-a'): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volumeNow(name);
    return this.scheduler.volumes.detach({ ...this.asked(), volume: name, basedOnGeneration: generation });
  }

  async attach(
    wish: { cardId?: string; functionId?: string } = {},
    name = 'vol-a',
  ): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volumeNow(name);
    return this.scheduler.volumes.attach({ ...this.asked(), volume: name, basedOnGeneration: generation, ...wish });
  }

  cancel(changeId: string): Promise<Change> {
    return this.scheduler.changes.cancel({ ...this.asked(), changeId });
  }

  /** As an operator of no tenant; null: the fleet. */
  pause(cardId: string | null): Promise<PauseList> {
    return this.scheduler.pauses.pause({ v: 1, caller: fleetOperator, cardId });
  }

  resume(cardId: string | null): Promise<PauseList> {
    return this.scheduler.pauses.resume({ v: 1, caller: fleetOperator, cardId });
  }

  volumeNow(name = 'vol-a'): Promise<Volume> {
    return this.scheduler.queries.getVolume({ ...reader, volume: name });
  }

  changeNow(changeId: string): Promise<Change> {
    return this.scheduler.queries.getChange({ ...reader, changeId });
  }

  cardOf(volume: { cardId: string }): FakeCard {
    const card = this.cards.find(({ id }) => id === volume.cardId);
    if (!card) throw new Error('the volume is on no card of the cell');
    return card;
  }

  /** What happens when an agent has answered what it was asked, and another is still waited for. */
  whileAsked: (role: AgentRole, id: string) => Promise<void> = async () => undefined;

  inspect: (role: AgentRole, id: string) => InspectAnswer = (role, id) => {
    const agent = (role === 'card' ? this.cards : this.pools).find((one) => one.id === id);
    if (!agent || agent.isAway) throw new Error('no answer in time');
    return agent.inspect();
  };

  #make(): Scheduler {
    return new Scheduler(
      {
        store: this.store,
        clock: { nowMs: () => this.nowMs },
        randomness: this.#randomness,
        nudges: { send: (role, id) => void this.nudged.push(`${role} ${id}`) },
        inspections: {
          ask: async (role, id) => {
            const answer = this.inspect(role, id);
            await this.whileAsked(role, id);
            return answer;
          },
        },
        tracing: { headers: () => ({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }) },
        relay: { wake: () => undefined },
        revisions: {
          given: (count) => void (this.revisions += count),
          began: async ({ revisions }) => void (this.revisions = revisions),
        },
        backups: this.backups,
        alarms: { warn: (message) => void this.warned.push(message) },
        vault: new Vault({ wrapKey: new Uint8Array(32), randomness: this.#randomness, seal }),
        fleet: this.fleet,
      },
      { copyBytesPerSecond: 1024 ** 2, replaceLegAfterMs: 600_000, term: 1 },
    );
  }

  #cardLink(id: string) {
    return {
      ask: async (question: DesiredQuestion) =>
        cardDesiredSchema.parse(await this.scheduler.agents.answer('card', id, question)),
      report: (report: Parameters<Scheduler['agents']['hearCard']>[1]) => this.scheduler.agents.hearCard(id, report),
    };
  }

  #poolLink(id: string) {
    return {
      ask: async (question: DesiredQuestion) =>
        poolDesiredSchema.parse(await this.scheduler.agents.answer('pool', id, question)),
      report: (report: Parameters<Scheduler['agents']['hearPool']>[1]) => this.scheduler.agents.hearPool(id, report),
    };
  }
}

/** The code of the problem with which something is refused; null when it is not. */
export async function refusalOf(work: Promise<unknown>): Promise<ProblemCode | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
}
