import {
  type Capabilities,
  type DesiredCardLeg,
  type DesiredVolume,
  type Layer,
  type VolumeReport,
  cardDesiredSchema,
  layerSchema,
} from '@flexbso/contracts';
import { type CardDiscovery } from '@flexbso/dataplane-port';
import { QsdCardDataPlane } from '@flexbso/dataplane-qsd';
import { LUKS_HEADER_BYTES, QsdSite, setupQemu, testCardId, testVolumeKey } from '@flexbso/dataplane-qsd/testing';
import {
  acceptedPlanOf,
  desiredStacks,
  expectedObservation,
  nothingObserved,
  overlayBytes,
  planCard,
  plannedVolumeOf,
} from '@flexbso/stack';
import { eventually } from '@flexbso/testkit';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '../agent.js';
import { CardRole } from '../card/card-role.js';
import { nextSession } from '../identity/session.js';
import { StateKeeper, cardStateSchema } from '../link/agent-state.js';
import { systemClock } from '../ports/clock.js';
import { VOLUME_ID } from './card-fixture.js';
import { FileJournal } from '../journal/file-journal.js';
import { MemoryStore } from './memory-stores.js';
import type { Fuse } from './fuse.js';
import { type ActHooks, hookedPlane } from './hooked-plane.js';
import { NamedFuse } from './named-fuse.js';
import { StubScheduler } from './stub-scheduler.js';
import { openSealer, silent, testIdentity } from './test-agent.js';

export const SIZE_BYTES = 8 * 1024 ** 2;
/** A copy of the volume takes a quarter of a second: long enough to be met in its middle. */
const COPY_BYTES_PER_SECOND = 32 * 1024 ** 2;
/** For one change of a small volume, with the life of an agent after it. */
const DEADLINE_MS = 30_000;

const soundDisk: Pick<Fuse, 'journal'> = { journal: (inner) => inner };
const idOf = (prefix: string, number: number) => `${prefix}-${String(number).padStart(10, '0')}`;

export interface QsdWish {
  readonly layers?: readonly unknown[];
  readonly qos?: DesiredVolume['qos'];
  readonly sizeBytes?: number;
  readonly tombstone?: boolean;
  readonly newStack?: boolean;
  /** Of a new volume; over NBD without it, where specs are its client. */
  readonly protocol?: 'virtio-blk';
  /** Where the new stack's legs lie; on the card's own host without it. */
  readonly reach?: 'host' | 'network';
  readonly functionId?: string;
  /** An overlay on what the volume runs on now, which is a snapshot from then on. */
  readonly snapshot?: true;
  /** Onto the stack right beneath, where the volume is an overlay: the newest snapshot is deleted. */
  readonly writeBack?: true;
  /** An overlay on the newest snapshot: of another volume, or of this one, of which nothing runs any more. */
  readonly upon?: 'clone' | 'rolled-back';
}

/** What goes wrong while the agent lives. */
export interface CardFaults {
  readonly hooks?: ActHooks;
  readonly disk?: Pick<Fuse, 'journal'>;
}

const CLONE_ID = 'vol-0000000002';

interface Life {
  readonly fuse: NamedFuse;
  readonly agent: Agent<DesiredVolume, VolumeReport>;
  readonly plane: QsdCardDataPlane;
  readonly journal: FileJournal;
}

/** What saves its state while it stops may die of that: it never has stopped then. */
async function stoppedOrDead({ agent, fuse }: Life): Promise<void> {
  let isStopped = false;
  void (async () => {
    await agent.stop();
    isStopped = true;
  })();
  await eventually('the agent has stopped or is dead', () => isStopped || fuse.blown, DEADLINE_MS);
}

/** A real data plane beneath an agent whose bus and disk are doubles; agents come and go on it, and die where it is said. */
export class QsdCard {
  readonly site: QsdSite;
  readonly scheduler = new StubScheduler('card', testCardId);
  readonly journalFolder: string;
  readonly #store = new MemoryStore();
  readonly #discovery: CardDiscovery;
  readonly #lives: Life[] = [];
  wanted: DesiredVolume | null = null;
  /** The volume that `wanted` is of. */
  volumeId = VOLUME_ID;

  private constructor(site: QsdSite, discovery: CardDiscovery) {
    this.site = site;
    this.journalFolder = join(site.directory, 'journal');
    this.#discovery = discovery;
  }

  /** What its data plane can do is asked for once; a probe takes longer than most steps. */
  static async make(discovery: CardDiscovery | null = null): Promise<QsdCard> {
    const site = await QsdSite.make(setupQemu());
    return new QsdCard(site, discovery ?? (await site.card.discover()));
  }

  get discovery(): CardDiscovery {
    return this.#discovery;
  }

  async start(fuse = new NamedFuse(), { hooks = {}, disk = soundDisk }: CardFaults = {}): Promise<void> {
    const keeper = await StateKeeper.open(fuse.store(this.#store), cardStateSchema, systemClock, silent);
    const plane = new QsdCardDataPlane(this.site.cardOptions, fuse.onCommand);
    const known = { ...hookedPlane(fuse.plane(plane), hooks), discover: () => Promise.resolve(this.#discovery) };
    await mkdir(this.journalFolder, { recursive: true });
    // Each life opens it anew: a torn last line is found by the next one.
    const journal = new FileJournal(this.journalFolder);
    const common = { clock: systemClock, random: { fraction: () => 0.5 }, log: silent };
    const agent = new Agent<DesiredVolume, VolumeReport>({
      ...common,
      role: 'card',
      id: testCardId,
      identity: testIdentity,
      session: nextSession(this.#lives.length + 1, systemClock.nowMs(), crypto.randomUUID()),
      keeper,
      answerSchema: cardDesiredSchema,
      bus: this.scheduler.bus(fuse),
      timings: { beatMs: 1_000, measureMs: 60_000, requestTimeoutMs: 2_000 },
      makeRole: (report) =>
        new CardRole({
          ...common,
          cardId: testCardId,
          plane: known,
          journal: fuse.journal(disk.journal(journal)),
          sealer: openSealer,
          report,
          lookMs: 1_000,
          lastSignMs: null,
        }),
      onFenced: () => undefined,
    });
    this.#lives.push({ fuse, agent, plane, journal });
    void agent.start();
  }

  /** Ends the present life in good order; of a dead one, what it held open is closed as by its kernel. */
  async stop(): Promise<void> {
    const life = this.#lives.at(-1);
    if (life?.fuse.blown === false) await stoppedOrDead(life);
    if (life?.fuse.blown) await eventually('the dead agent does no more', () => life.fuse.isStill, DEADLINE_MS);
    await life?.plane.close();
    await life?.journal.close();
  }

  /** As a crash leaves it when the last line was not written whole. */
  async tearJournal(): Promise<void> {
    await appendFile(join(this.journalFolder, `${this.volumeId}.jsonl`), '{"kind":"intent","index":1,"pla');
  }

  async want(wish: QsdWish): Promise<DesiredVolume> {
    this.wanted = await this.#next(wish);
    this.volumeId = this.wanted.volumeId;
    await this.scheduler.want(this.volumeId, this.wanted);
    return this.wanted;
  }

  async settle(wish: QsdWish): Promise<void> {
    await this.want(wish);
    await eventually('it is settled', () => ['settled', 'gone'].includes(this.phase), DEADLINE_MS);
  }

  /** As last said of what is wanted. */
  get phase(): string {
    return this.scheduler.said(this.wanted?.operationId ?? '')?.phase ?? 'nothing said';
  }

  /** Why it was undone or does not go on, as last said. */
  get problem() {
    return this.scheduler.said(this.wanted?.operationId ?? '')?.problem ?? null;
  }

  async untilEnded(): Promise<string> {
    await eventually('it ended', () => ['settled', 'gone', 'undone'].includes(this.phase), DEADLINE_MS);
    return this.phase;
  }

  /** As another client of the data plane sees it, which is to be none while an agent lives. */
  async observe() {
    try {
      return await this.site.card.observe(this.volumeId);
    } finally {
      await this.site.card.close();
    }
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.site.dispose();
  }

  async #next(wish: QsdWish): Promise<DesiredVolume> {
    const last = this.wanted;
    const before = wish.upon ? null : last;
    const generation = (last?.generation ?? 0) + 1;
    const layers = layerSchema.array().parse(wish.layers ?? last?.stack.layers ?? []);
    const sizeBytes = wish.sizeBytes ?? last?.sizeBytes ?? SIZE_BYTES;
    const { stack, bases } = await this.#stacks(wish, generation, layers, sizeBytes);
    const volumeId = wish.upon === 'clone' ? CLONE_ID : this.volumeId;
    const desired: DesiredVolume = {
      volumeId,
      revision: 1,
      generation,
      operationId: idOf('op', generation),
      changeId: idOf('chg', generation),
      origin: 'person',
      tombstone: wish.tombstone ?? false,
      sizeBytes,
      qos: wish.qos === undefined ? (before?.qos ?? null) : wish.qos,
      export: {
        protocol: before?.export.protocol ?? wish.protocol ?? 'nbd',
        functionId: wish.functionId ?? before?.export.functionId ?? 'fn-1',
      },
      stack,
      ...(bases.length === 0 ? {} : { bases }),
      copyBytesPerSecond: COPY_BYTES_PER_SECOND,
      plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
      trace: {},
    };
    const plan = planCard({
      cardId: testCardId,
      observed: before ? expectedObservation(plannedVolumeOf(before)) : nothingObserved(volumeId),
      desired: plannedVolumeOf(desired),
      appliedStackGeneration: before?.stack.stackGeneration ?? null,
      capabilities: this.#capabilities,
    });
    if (!plan.ok) throw new Error(plan.problem.detail);
    return { ...desired, plan: acceptedPlanOf(plan.steps) };
  }

  get #capabilities(): Capabilities {
    return this.#discovery.capabilities;
  }

  async #stacks(wish: QsdWish, generation: number, layers: Layer[], sizeBytes: number) {
    const present = this.wanted ? desiredStacks(this.wanted) : [];
    const [top, ...beneath] = wish.writeBack ? present.slice(1) : present;
    if (top && !wish.newStack && !wish.snapshot && !wish.upon)
      return { stack: await this.#grown(top, sizeBytes), bases: beneath };
    const bases = wish.snapshot ? present : wish.upon ? beneath : [];
    const ownBytes = bases.length === 0 ? sizeBytes : overlayBytes(sizeBytes, this.#capabilities);
    const stack = await this.#stack(generation, layers, ownBytes, wish);
    return { stack, bases: wish.upon === 'clone' ? bases.map((base) => ({ ...base, shared: true as const })) : bases };
  }

  async #stack(
    stackGeneration: number,
    layers: Layer[],
    sizeBytes: number,
    { reach = 'host' }: QsdWish,
  ): Promise<DesiredVolume['stack']> {
    const redundancy = layers.find((layer) => layer.kind === 'raid1');
    const isEncrypted = layers.some(({ kind }) => kind === 'encryption');
    const legBytes = sizeBytes + (isEncrypted ? LUKS_HEADER_BYTES : 0);
    const legs: DesiredCardLeg[] = [];
    for (let index = 0; index < (redundancy?.legCount ?? 1); index++)
      legs.push(await this.#leg(reach, idOf('leg', stackGeneration * 10 + index), legBytes));
    const keyRef = idOf('key', stackGeneration);
    const encryptionKey = isEncrypted ? { keyRef, sealedKey: openSealer.seal(testVolumeKey(), '') } : null;
    return { stackGeneration, layers, encryptionKey, legs };
  }

  /** Where the volume is to be larger on the same legs, their pool makes them so. */
  async #grown(stack: DesiredVolume['stack'], sizeBytes: number): Promise<DesiredVolume['stack']> {
    const moreBytes = sizeBytes - (this.wanted?.sizeBytes ?? sizeBytes);
    if (moreBytes <= 0) return stack;
    const legs = stack.legs.map((leg) => ({ ...leg, sizeBytes: leg.sizeBytes + moreBytes }));
    for (const { legId, sizeBytes: legBytes } of legs) await this.site.growLeg(legId, legBytes - moreBytes, legBytes);
    return { ...stack, legs };
  }

  async #leg(reach: 'host' | 'network', legId: string, sizeBytes: number): Promise<DesiredCardLeg> {
    const leg = await this.site.makeLeg(reach, legId, sizeBytes);
    const access = await this.site.secrets.legKey(legId);
    if (access === null) return leg;
    return { ...leg, access: { identity: access.identity, sealedKey: openSealer.seal(access.key, '') } };
  }
}
