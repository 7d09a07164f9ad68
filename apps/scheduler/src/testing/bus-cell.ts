import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BsoEvent,
  CARD_BUCKET,
  cardDesiredSchema,
  type CardDesired,
  cardReportSchema,
  cardSnapshotSchema,
  type Change,
  desiredQuestionSchema,
  eventSchema,
  type PauseList,
  POOL_BUCKET,
  poolDesiredSchema,
  type PoolDesired,
  poolReportSchema,
  poolSnapshotSchema,
  type ProblemCode,
  ProblemError,
  reportReplySchema,
  rpc,
  subjects,
  type Volume,
  type volumePatchSchema,
} from '@flexbso/contracts';
import {
  askUp,
  type Bus,
  connectBus,
  createSealingKey,
  hearDown,
  type Principal,
  readEvents,
  request,
  RpcClient,
  snapshotBucket,
} from '@flexbso/messaging';
import { eventually, startNats, type TestNats } from '@flexbso/testkit';
import { z } from 'zod';
import { schedulerConfigSchema } from '../config.js';
import { type RunningScheduler, startScheduler, type StartOptions } from '../service.js';
import { FakeCard, FakePool } from './fake-agents.js';
import { aCard, aPool, aSpec, fleetOperator, operator } from './fixtures.js';

const inventory: Principal = { kind: 'service', name: 'inventory' };
const gateway: Principal = { kind: 'service', name: 'gateway' };
const schedulerService: Principal = { kind: 'service', name: 'scheduler' };
const cardIds = ['card-1', 'card-2'];
const poolIds = ['pool-1', 'pool-2', 'pool-3'];
const agents: Principal[] = [
  ...cardIds.map((id) => ({ kind: 'card' as const, id })),
  ...poolIds.map((id) => ({ kind: 'pool' as const, id })),
];
/** Generous for two busy cores; a healthy answer takes milliseconds. */
const deadline = { timeoutMs: 10_000 };
/** As an agent's, which repeats what was not answered: whoever it asked may have been stopped or replaced. */
const agentDeadline = { timeoutMs: 2_000 };
const AGENT_TRIES = 10;
const verbs = rpc.scheduler;

/** A real bus with the real service, and cards and pools played by the test under their own identities. */
export class BusCell {
  readonly cards: FakeCard[] = [];
  readonly pools: FakePool[] = [];
  readonly sealingKey = createSealingKey();
  readonly buses: Bus[] = [];
  readonly folder: string;
  readonly nats: TestNats;
  databaseUrl = '';
  service: RunningScheduler | null = null;
  nudges = 0;
  /** Of each nudge, in the order in which they came: in whose name it was. */
  readonly terms: number[] = [];
  /** What was said of agents' failures to act on a nudge; empty in a healthy test. */
  readonly failures: unknown[] = [];
  readonly #hearings: { stop(): Promise<void> }[] = [];
  #keys = 0;

  private constructor(nats: TestNats, folder: string) {
    this.nats = nats;
    this.folder = folder;
  }

  static async start(databaseUrl?: string): Promise<BusCell> {
    const cell = await BusCell.prepare(databaseUrl);
    await cell.startService();
    await cell.joinAgents();
    return cell;
  }

  /** All but the service and the agents. */
  static async prepare(databaseUrl?: string): Promise<BusCell> {
    const nats = await startNats({ principals: [inventory, gateway, schedulerService, ...agents] });
    const cell = new BusCell(nats, await mkdtemp(join(tmpdir(), 'flexbso-scheduler-')));
    cell.databaseUrl = databaseUrl ?? `sqlite://${join(cell.folder, 'scheduler.db')}`;
    await cell.#publishFleet();
    return cell;
  }

  async joinAgents(): Promise<void> {
    for (const id of cardIds) this.cards.push(await this.#card(id));
    for (const id of poolIds) this.pools.push(await this.#pool(id));
    // Each hears of this life of the database, and says that it follows it: nothing is placed on it before.
    for (const agent of [...this.cards, ...this.pools]) for (const _ of ['hear', 'say']) await agent.catchUp();
  }

  /** @throws what agents met while they acted on nudges: a test must not pass over it. */
  async stop(): Promise<void> {
    for (const hearing of this.#hearings) await hearing.stop();
    await this.service?.stop();
    for (const bus of this.buses) await bus.close();
    await this.nats.stop();
    await rm(this.folder, { recursive: true, force: true });
    if (this.failures.length > 0) throw new AggregateError(this.failures, 'agents failed to act on nudges');
  }

  /** @param healthPort 0: any free one */
  async startService(options: StartOptions = {}, healthPort = 0): Promise<void> {
    const config = schedulerConfigSchema.parse({ ...this.configuration, health: { port: healthPort } });
    this.service = await startScheduler(config, async () => '', options);
  }

  /** The service's, but for its health port. */
  get configuration() {
    return {
      nats: { servers: [this.nats.url], seedFile: this.nats.seedFile(schedulerService) },
      databaseUrl: this.databaseUrl,
      keyFile: join(this.folder, 'wrap.key'),
    };
  }

  async restartService(): Promise<void> {
    await this.service?.stop();
    await this.startService();
  }

  async bus(principal: Principal): Promise<Bus> {
    const bus = await connectBus({
      servers: this.nats.url,
      principal,
      credentials: { seedFile: this.nats.seedFile(principal) },
    });
    this.buses.push(bus);
    return bus;
  }

  /** Waits until every connection of the test has come back after the server's restart. */
  reconnected(): Promise<void> {
    return eventually('every connection is back', async () => {
      const flushed = await Promise.allSettled(this.buses.map((bus) => bus.flush()));
      return flushed.every(({ status }) => status === 'fulfilled');
    });
  }

  /** A client of the scheduler's verbs, as the gateway is. */
  async client(): Promise<SchedulerClient> {
    return new SchedulerClient(new RpcClient(await this.bus(gateway)), () => `key-${(this.#keys += 1)}`);
  }

  /** Every event so far, up to a volume's deletion, for which it waits. */
  async eventsToDeletion(): Promise<BsoEvent[]> {
    const abort = new AbortController();
    const bus = await this.bus(gateway);
    const events: BsoEvent[] = [];
    for await (const { payload } of readEvents(bus, { schema: eventSchema, fromSequence: 1, signal: abort.signal })) {
      events.push(payload);
      if (payload.what === 'deleted') abort.abort();
    }
    return events;
  }

  /** As inventory does when an operator has released the card with another sealing key. */
  async publishCard(id: string, sealingKey: string): Promise<void> {
    const bus = await this.bus(inventory);
    const cards = await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema);
    await cards.put(id, aCard(id, { sealingKey }));
  }

  async #publishFleet(): Promise<void> {
    const bus = await this.bus(inventory);
    const cards = await snapshotBucket(bus, CARD_BUCKET, cardSnapshotSchema);
    const pools = await snapshotBucket(bus, POOL_BUCKET, poolSnapshotSchema);
    for (const id of cardIds) await cards.put(id, aCard(id, { sealingKey: this.sealingKey.publicKey }));
    for (const id of poolIds) await pools.put(id, aPool(id));
  }

  async #card(id: string): Promise<FakeCard> {
    const bus = await this.bus({ kind: 'card', id });
    const card = new FakeCard(id, {
      ask: (question) =>
        untilAnswered(() =>
          askUp(bus, 'desired', { request: desiredQuestionSchema, reply: cardDesiredSchema }, question, agentDeadline),
        ),
      report: (report) =>
        untilAnswered(() =>
          askUp(bus, 'report', { request: cardReportSchema, reply: reportReplySchema }, report, agentDeadline),
        ),
    });
    await this.#hearNudges(bus, cardDesiredSchema, card);
    return card;
  }

  async #pool(id: string): Promise<FakePool> {
    const bus = await this.bus({ kind: 'pool', id });
    const pool = new FakePool(id, {
      ask: (question) =>
        untilAnswered(() =>
          askUp(bus, 'desired', { request: desiredQuestionSchema, reply: poolDesiredSchema }, question, agentDeadline),
        ),
      report: (report) =>
        untilAnswered(() =>
          askUp(bus, 'report', { request: poolReportSchema, reply: reportReplySchema }, report, agentDeadline),
        ),
    });
    await this.#hearNudges(bus, poolDesiredSchema, pool);
    return pool;
  }

  /** A nudge wakes the agent, which asks: that answers and nudges agree is told by `desiredMessage`. */
  async #hearNudges<Nudge extends CardDesired | PoolDesired>(
    bus: Bus,
    schema: z.ZodType<Nudge>,
    agent: FakeCard | FakePool,
  ): Promise<void> {
    let last = Promise.resolve();
    const handler = async ({ term }: Nudge) => {
      this.nudges += 1;
      this.terms.push(term);
      last = last
        .then(async () => void (await agent.catchUp()))
        .catch((error: unknown) => void this.failures.push(error));
      return null;
    };
    const onRefused = (problem: unknown) => void this.failures.push(problem);
    const hearing = await hearDown(bus, { verb: 'nudge', schema, handler, onRefused });
    this.#hearings.push({
      stop: async () => {
        await hearing.stop();
        await last;
      },
    });
  }
}

async function untilAnswered<Reply>(ask: () => Promise<Reply>): Promise<Reply> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const isSilence = error instanceof ProblemError && error.code === 'deadline-exceeded';
      if (!isSilence || tries === AGENT_TRIES) throw error;
    }
  }
}

/** The verbs of the scheduler, asked over the bus. */
export class SchedulerClient {
  readonly #rpc: RpcClient;
  readonly #newKey: () => string;

  constructor(client: RpcClient, newKey: () => string) {
    this.#rpc = client;
    this.#newKey = newKey;
  }

  create(spec: Parameters<typeof aSpec>[0] = {}): Promise<{ volume: Volume; change: Change }> {
    const payload = { v: 1 as const, caller: operator, idempotencyKey: this.#newKey(), spec: aSpec(spec) };
    return this.#rpc.call('scheduler', 'create-volume', verbs['create-volume'], payload, deadline);
  }

  async change(patch: z.infer<typeof volumePatchSchema>): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volume();
    const payload = {
      v: 1 as const,
      caller: operator,
      idempotencyKey: this.#newKey(),
      volume: 'vol-a',
      basedOnGeneration: generation,
      patch,
    };
    return this.#rpc.call('scheduler', 'change-volume', verbs['change-volume'], payload, deadline);
  }

  async delete(): Promise<{ volume: Volume; change: Change }> {
    const { generation } = await this.volume();
    const payload = {
      v: 1 as const,
      caller: operator,
      idempotencyKey: this.#newKey(),
      volume: 'vol-a',
      basedOnGeneration: generation,
    };
    return this.#rpc.call('scheduler', 'delete-volume', verbs['delete-volume'], payload, deadline);
  }

  cancel(changeId: string): Promise<Change> {
    const payload = { v: 1 as const, caller: operator, idempotencyKey: this.#newKey(), changeId };
    return this.#rpc.call('scheduler', 'cancel-change', verbs['cancel-change'], payload, deadline);
  }

  /** Of the fleet. */
  pause(verb: 'pause' | 'resume'): Promise<PauseList> {
    const payload = { v: 1 as const, caller: fleetOperator, cardId: null };
    return this.#rpc.call('scheduler', verb, verbs[verb], payload, deadline);
  }

  volume(): Promise<Volume> {
    return this.#rpc.call(
      'scheduler',
      'get-volume',
      verbs['get-volume'],
      { v: 1, caller: operator, volume: 'vol-a' },
      deadline,
    );
  }

  changeNow(changeId: string): Promise<Change> {
    return this.#rpc.call(
      'scheduler',
      'get-change',
      verbs['get-change'],
      { v: 1, caller: operator, changeId },
      deadline,
    );
  }

  /** Waits until the change is in one of the states. @returns the change */
  async until(changeId: string, ...states: Change['state'][]): Promise<Change> {
    await eventually(`change ${changeId} is ${states.join(' or ')}`, async () =>
      states.includes((await this.changeNow(changeId)).state),
    );
    return this.changeNow(changeId);
  }
}

/** The code by which something was refused; null when it was not. */
export async function codeOf(work: Promise<unknown>): Promise<ProblemCode | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
}

/** Sends a payload that the contracts do not know, as a broken service would. */
export function sendRaw(bus: Bus, verb: string, payload: unknown): Promise<unknown> {
  return request(bus, subjects.rpc('scheduler', verb), { request: z.unknown(), reply: z.unknown() }, payload, deadline);
}
