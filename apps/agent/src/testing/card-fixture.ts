import {
  type Capabilities,
  type DesiredVolume,
  type Layer,
  type VolumeReport,
  capabilityNameSchema,
  cardDesiredSchema,
  layerSchema,
} from '@flexbso/contracts';
import { type CallHooks, MemoryCard, MemoryCardDataPlane, MemoryWorld } from '@flexbso/dataplane-memory';
import {
  type PlannedVolume,
  acceptedPlanOf,
  desiredStacks,
  expectedObservation,
  nothingObserved,
  planCard,
  plannedVolumeOf,
} from '@flexbso/stack';
import { Agent } from '../agent.js';
import { CardRole } from '../card/card-role.js';
import { nextSession } from '../identity/session.js';
import { StateKeeper, cardStateSchema } from '../link/agent-state.js';
import type { Journal } from '../ports/journal.js';
import { Fuse } from './fuse.js';
import { MemoryJournal, MemoryStore } from './memory-stores.js';
import { StubScheduler } from './stub-scheduler.js';
import { VirtualClock } from './virtual-clock.js';
import { openSealer, silent, testIdentity } from './test-agent.js';

export const CARD_ID = 'card-1';
export const VOLUME_ID = 'vol-0000000001';
const SIZE_BYTES = 64 * 1024 ** 2;
const capabilities: Capabilities = {
  has: capabilityNameSchema.options.map((name) => ({ name, limits: {} })),
  lacks: [],
};

export interface Wish {
  readonly layers?: readonly unknown[];
  readonly qos?: DesiredVolume['qos'];
  readonly sizeBytes?: number;
  readonly tombstone?: boolean;
  /** A new stack on new legs, of the generation that the wish becomes. */
  readonly newStack?: boolean;
  readonly origin?: DesiredVolume['origin'];
  /** The stack carried the guest on another card until now: this one has never heard of it. */
  readonly carried?: boolean;
  /** With a tombstone: the card that carries it now. */
  readonly movedTo?: string;
  readonly functionId?: string;
  /** An overlay on what the volume runs on now, which is a snapshot from then on. */
  readonly snapshot?: true;
  /** Onto the stack right beneath, where the volume is an overlay: the newest snapshot is deleted. */
  readonly writeBack?: true;
  /** Of a volume that the card never had: an overlay on a snapshot, of another volume or of itself. */
  readonly upon?: 'clone' | 'rolled-back';
}

/** How often the guest has written to a stack that comes from another card. */
export const CARRIED_WRITES = 5;

const idOf = (prefix: string, number: number) => `${prefix}-${String(number).padStart(10, '0')}`;

/** A clone begins above the stack that it stands on, and a volume that was rolled back has gone through some. */
function generationsBefore({ carried, upon }: Wish): number {
  return carried || upon === 'clone' ? 1 : upon === undefined ? 0 : 4;
}

/** One card with its disks, its scheduler and its clock; agents come and go on it. */
export class CardFixture {
  readonly clock = new VirtualClock();
  readonly world = new MemoryWorld();
  readonly card = new MemoryCard(this.world, CARD_ID, () => this.clock.nowMs());
  readonly scheduler = new StubScheduler('card', CARD_ID);
  readonly journal = new MemoryJournal();
  readonly store = new MemoryStore();
  /** Each life opens it anew. */
  openJournal: () => Journal = () => this.journal;
  wanted: DesiredVolume | null = null;
  /** What was wanted before the present change. */
  #before: DesiredVolume | null = null;
  /** What the next agent finds of the one before. */
  lastSignMs: number | null = null;
  #lives = 0;

  /** Starts an agent; `fuse` kills it. */
  async start(fuse = new Fuse(), hooks: CallHooks = {}): Promise<Agent<DesiredVolume, VolumeReport>> {
    const { clock } = this;
    const keeper = await StateKeeper.open(fuse.store(this.store), cardStateSchema, clock, silent);
    const plane = new MemoryCardDataPlane({ card: this.card, clock, hooks: fuse.hooks(hooks) });
    const common = { clock, random: { fraction: () => 0.5 }, log: silent };
    this.#lives++;
    const agent = new Agent<DesiredVolume, VolumeReport>({
      ...common,
      role: 'card',
      id: CARD_ID,
      identity: testIdentity,
      session: nextSession(this.#lives, clock.nowMs(), crypto.randomUUID()),
      keeper,
      answerSchema: cardDesiredSchema,
      bus: this.scheduler.bus(fuse),
      timings: { beatMs: 5_000, measureMs: 10_000, requestTimeoutMs: 2_000 },
      makeRole: (report) =>
        new CardRole({
          ...common,
          cardId: CARD_ID,
          plane,
          journal: fuse.journal(this.openJournal()),
          sealer: openSealer,
          report,
          lookMs: 5_000,
          lastSignMs: this.lastSignMs,
        }),
      onFenced: () => undefined,
    });
    void agent.start();
    return agent;
  }

  /** The next generation of the volume, with the plan that the scheduler would have had accepted. */
  next(wish: Wish): DesiredVolume {
    const before = this.wanted;
    const generation = (before?.generation ?? generationsBefore(wish)) + 1;
    const layers = layerSchema.array().parse(wish.layers ?? before?.stack.layers ?? []);
    const sizeBytes = wish.sizeBytes ?? before?.sizeBytes ?? SIZE_BYTES;
    const { stack, bases } = this.#stacks(wish, generation, layers, sizeBytes);
    if (wish.carried) this.#fill(stack);
    const desired: DesiredVolume = {
      volumeId: VOLUME_ID,
      revision: 1,
      generation,
      operationId: idOf('op', generation),
      changeId: idOf('chg', generation),
      origin: wish.origin ?? 'person',
      tombstone: wish.tombstone ?? false,
      sizeBytes,
      qos: wish.qos === undefined ? (before?.qos ?? null) : wish.qos,
      export: { protocol: 'nbd', functionId: wish.functionId ?? before?.export.functionId ?? 'vf-0' },
      stack,
      ...(bases.length === 0 ? {} : { bases }),
      ...(wish.carried ? { carriedStackGeneration: stack.stackGeneration } : {}),
      ...(wish.movedTo === undefined ? {} : { movedTo: wish.movedTo }),
      copyBytesPerSecond: 16 * 1024 ** 2,
      plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
      trace: {},
    };
    const carried = desired.carriedStackGeneration ?? before?.stack.stackGeneration ?? null;
    return { ...desired, plan: this.#planOf(plannedVolumeOf(desired), before, carried) };
  }

  /** Commits the next generation and nudges. */
  async want(wish: Wish, isNudged = true): Promise<DesiredVolume> {
    const before = this.wanted;
    this.wanted = this.next(wish);
    this.#before = before;
    await this.scheduler.want(VOLUME_ID, this.wanted, isNudged);
    return this.wanted;
  }

  /** Other limits for what is under way, as the scheduler commits them. */
  async amend(qos: DesiredVolume['qos'], isNudged = true): Promise<DesiredVolume> {
    const { wanted } = this;
    if (!wanted || !this.#before) throw new Error('nothing is under way');
    const { operationId, generation } = this.next({});
    const amended = { ...wanted, operationId, generation, qos, amends: wanted.amends ?? wanted.operationId };
    const carried = this.#before.stack.stackGeneration;
    this.wanted = { ...amended, plan: this.#planOf(plannedVolumeOf(amended), this.#before, carried) };
    await this.scheduler.want(VOLUME_ID, this.wanted, isNudged);
    return this.wanted;
  }

  /** Commits it and waits until the agent says how it ended. */
  async settle(wish: Wish): Promise<DesiredVolume> {
    const desired = await this.want(wish);
    await this.untilSaid(desired, desired.tombstone ? 'gone' : 'settled');
    return desired;
  }

  untilSaid({ operationId }: DesiredVolume, phase: string): Promise<void> {
    const said = () => this.scheduler.said(operationId)?.phase;
    return this.clock.runUntil(`${phase} of ${operationId}; last said: ${said()}`, () => said() === phase);
  }

  observed() {
    return this.card.observe(VOLUME_ID);
  }

  #planOf(planned: PlannedVolume, before: DesiredVolume | null, appliedStackGeneration: number | null) {
    const observed = before ? expectedObservation(plannedVolumeOf(before)) : nothingObserved(VOLUME_ID);
    const plan = planCard({ cardId: CARD_ID, observed, desired: planned, appliedStackGeneration, capabilities });
    if (!plan.ok) throw new Error(plan.problem.detail);
    return acceptedPlanOf(plan.steps);
  }

  #stacks(wish: Wish, generation: number, layers: Layer[], sizeBytes: number) {
    const before = this.wanted;
    const present = before ? desiredStacks(before) : [];
    const own = () => this.#stack(generation, layers, sizeBytes);
    if (wish.snapshot) return { stack: own(), bases: present };
    const [top, ...beneath] = wish.writeBack ? present.slice(1) : present;
    if (top && !wish.newStack) return { stack: this.#grown(top, sizeBytes), bases: beneath };
    if (wish.upon === undefined) return { stack: own(), bases: [] };
    const base = this.#stack(1, layers, sizeBytes);
    this.#fill(base);
    return { stack: own(), bases: [wish.upon === 'clone' ? { ...base, shared: true as const } : base] };
  }

  /** Where the volume is to be larger on the same legs, their pool has made them so. */
  #grown(stack: DesiredVolume['stack'], sizeBytes: number): DesiredVolume['stack'] {
    const legs = stack.legs.map((leg) => ({ ...leg, sizeBytes: Math.max(leg.sizeBytes, sizeBytes) }));
    for (const leg of legs) this.world.leg(leg.legId).sizeBytes = leg.sizeBytes;
    return { ...stack, legs };
  }

  #fill({ legs, encryptionKey }: DesiredVolume['stack']): void {
    for (const { legId } of legs) {
      const leg = this.world.leg(legId);
      leg.writes = CARRIED_WRITES;
      leg.headerKeyRef = encryptionKey?.keyRef ?? null;
    }
  }

  #stack(stackGeneration: number, layers: Layer[], sizeBytes: number): DesiredVolume['stack'] {
    const redundancy = layers.find((layer) => layer.kind === 'raid1');
    const isEncrypted = layers.some(({ kind }) => kind === 'encryption');
    const keyRef = idOf('key', stackGeneration);
    const legs = Array.from({ length: redundancy?.legCount ?? 1 }, (_, index) =>
      this.#leg(stackGeneration * 10 + index, sizeBytes),
    );
    const encryptionKey = isEncrypted ? { keyRef, sealedKey: openSealer.seal(Buffer.from('secret'), '') } : null;
    return { stackGeneration, layers, encryptionKey, legs };
  }

  /** A leg that a pool has made and serves to this card. */
  #leg(number: number, sizeBytes: number): DesiredVolume['stack']['legs'][number] {
    const leg = { legId: idOf('leg', number), poolId: 'pool-1', epoch: 1, sizeBytes };
    this.world.legs.set(leg.legId, {
      ...leg,
      volumeId: VOLUME_ID,
      holderCardId: CARD_ID,
      serving: { epoch: 1, holderCardId: CARD_ID },
      writes: 0,
      headerKeyRef: null,
      role: 'preparing',
    });
    return { ...leg, address: { kind: 'memory' }, access: null };
  }
}
