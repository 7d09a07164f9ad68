import type { DesiredLeg, ObservedLeg, PoolBudget, PoolStep } from '@flexbso/contracts';
import type { PoolDataPlane, PoolDiscovery, PoolStepContext, ServedLeg } from '@flexbso/dataplane-port';
import { type PoolStepHandlers, type PoolStepOf, handlePoolStep } from '@flexbso/stack';
import { type Call, type CallHooks, hooked, hookedAct } from './call.js';
import { type MemoryLeg, type MemoryWorld, refusal } from './world.js';

export interface MemoryPoolOptions {
  readonly world: MemoryWorld;
  readonly poolId: string;
  readonly budget?: PoolBudget;
  readonly reach?: 'host' | 'network';
  readonly hooks?: CallHooks;
}

/** 1 TiB and what an NVMe drive gives: room enough that tests only run out where they mean to. */
const DEFAULT_BUDGET: PoolBudget = { capacityBytes: 1024 ** 4, iops: 500_000, bytesPerSecond: 2_000_000_000 };

/** A pool whose legs are in memory: for simulations and tests. */
export class MemoryPoolDataPlane implements PoolDataPlane {
  readonly #world: MemoryWorld;
  readonly #poolId: string;
  readonly #options: MemoryPoolOptions;
  readonly #hooks: CallHooks;

  constructor(options: MemoryPoolOptions) {
    this.#world = options.world;
    this.#poolId = options.poolId;
    this.#options = options;
    this.#hooks = options.hooks ?? {};
  }

  discover(): Promise<PoolDiscovery> {
    const { budget = DEFAULT_BUDGET, reach = 'network' } = this.#options;
    return hooked(this.#hooks, this.#call('discover', null), () => ({
      dataPlane: { name: 'memory', version: '1' },
      capabilities: {
        has: [
          // Without it the pool's legs are for a card of its own host, and grow where they are.
          ...(reach === 'network' ? [{ name: 'leg.nbd' as const, limits: {} }] : []),
          { name: 'grow-leg', limits: {} },
          { name: 'compress-leg', limits: { algorithms: 'zstd, deflate' } },
        ],
        lacks: [],
      },
      budget,
      reach,
    }));
  }

  list(): Promise<ObservedLeg[]> {
    return hooked(this.#hooks, this.#call('list', null), () => this.#own().map(observed));
  }

  observe(legId: string): Promise<ObservedLeg | null> {
    return hooked(this.#hooks, this.#call('observe', legId), () => {
      const leg = this.#find(legId);
      return leg ? observed(leg) : null;
    });
  }

  perform(step: PoolStep, { desired }: PoolStepContext): Promise<void> {
    return this.#act('perform', step, desired, this.#performers);
  }

  undo(step: PoolStep, { desired }: PoolStepContext): Promise<void> {
    return this.#act('undo', step, desired, this.#undoers);
  }

  record(desired: DesiredLeg): Promise<void> {
    return hooked(this.#hooks, this.#call('record', desired.legId), () => {
      const leg = this.#find(desired.legId);
      if (!leg) return;
      if (desired.epoch < leg.epoch)
        throw refusal('fenced', `leg ${leg.legId} is at epoch ${leg.epoch}; ${desired.epoch} is past`);
      leg.role = desired.role;
    });
  }

  served(legId: string): Promise<ServedLeg | null> {
    return hooked(this.#hooks, this.#call('served', legId), () => {
      const leg = this.#find(legId);
      if (!leg?.serving) return null;
      const { serving, servedAt } = leg;
      const suffix = servedAt ? `.${servedAt.keyNumber}` : '';
      const identity = `${serving.holderCardId}.${legId}.${serving.epoch}${suffix}`;
      return {
        address: servedAt?.address ?? { kind: 'memory' as const },
        access: { identity, key: new TextEncoder().encode(`psk of ${identity}`) },
      };
    });
  }

  async close(): Promise<void> {
    // Nothing is held open: the legs are the world's.
  }

  readonly #performers: PoolStepHandlers<(desired: DesiredLeg) => void> = {
    'create-leg': (step) => (desired) => this.#create(step, desired),
    'serve-leg': (step) => () => {
      const leg = this.#need(step.legId);
      if (step.epoch < leg.epoch)
        throw refusal('fenced', `leg ${step.legId} is at epoch ${leg.epoch}; ${step.epoch} is past`);
      if (step.epoch === leg.epoch && leg.serving && leg.serving.holderCardId !== step.holderCardId) {
        throw refusal('step-failed', `leg ${step.legId} is served to ${leg.serving.holderCardId} with this epoch`);
      }
      leg.epoch = step.epoch;
      leg.holderCardId = step.holderCardId;
      leg.serving = { epoch: step.epoch, holderCardId: step.holderCardId };
    },
    'grow-leg': (step) => () => {
      const leg = this.#need(step.legId);
      if (step.sizeBytes < leg.sizeBytes) throw refusal('change-refused', `leg ${step.legId} cannot shrink`);
      this.#claim(step.sizeBytes - leg.sizeBytes);
      leg.sizeBytes = step.sizeBytes;
    },
    'fence-leg': (step) => () => {
      const leg = this.#need(step.legId);
      if (leg.epoch >= step.epoch) return;
      leg.epoch = step.epoch;
      leg.holderCardId = null;
      leg.serving = null;
    },
    'stop-serving-leg': (step) => () => this.#stopServing(step.legId),
    'delete-leg': (step) => () => this.#delete(step.legId),
  };

  readonly #undoers: PoolStepHandlers<(desired: DesiredLeg) => void> = {
    'create-leg': (step) => () => this.#delete(step.legId),
    'serve-leg': (step) => () => this.#stopServing(step.legId),
    'grow-leg': () => () => undefined,
    'fence-leg': () => () => undefined,
    'stop-serving-leg': () => () => undefined,
    'delete-leg': () => () => undefined,
  };

  #act(
    method: 'perform' | 'undo',
    step: PoolStep,
    desired: DesiredLeg,
    handlers: PoolStepHandlers<(desired: DesiredLeg) => void>,
  ): Promise<void> {
    const done = () => handlePoolStep(handlers, step)(desired);
    return hookedAct(this.#hooks, this.#call(method, step.legId, step), done);
  }

  #create({ legId, sizeBytes, compression }: PoolStepOf<'create-leg'>, desired: DesiredLeg): void {
    if (this.#find(legId)) return;
    this.#claim(sizeBytes);
    const leg = {
      legId,
      poolId: this.#poolId,
      volumeId: desired.volumeId,
      sizeBytes,
      isCompressed: compression !== undefined,
      epoch: 0,
      holderCardId: null,
      serving: null,
    };
    this.#world.legs.set(legId, { ...leg, writes: 0, headerKeyRef: null, role: desired.role });
  }

  #claim(bytes: number): void {
    const { capacityBytes } = this.#options.budget ?? DEFAULT_BUDGET;
    const usedBytes = this.#own().reduce((sum, leg) => sum + leg.sizeBytes, 0);
    if (usedBytes + bytes <= capacityBytes) return;
    throw refusal(
      'pool-full',
      `pool ${this.#poolId} holds ${usedBytes} of ${capacityBytes} bytes; ${bytes} more do not fit`,
    );
  }

  #stopServing(legId: string): void {
    const leg = this.#find(legId);
    if (leg) leg.serving = null;
  }

  #delete(legId: string): void {
    const leg = this.#find(legId);
    if (leg?.serving) throw refusal('step-failed', `leg ${legId} is still served to ${leg.serving.holderCardId}`);
    if (leg) this.#world.legs.delete(legId);
  }

  #own(): MemoryLeg[] {
    return [...this.#world.legs.values()].filter(({ poolId }) => poolId === this.#poolId);
  }

  #find(legId: string): MemoryLeg | undefined {
    const leg = this.#world.legs.get(legId);
    return leg?.poolId === this.#poolId ? leg : undefined;
  }

  #need(legId: string): MemoryLeg {
    const leg = this.#find(legId);
    if (!leg) throw refusal('step-failed', `pool ${this.#poolId} has no leg ${legId}`);
    return leg;
  }

  #call(method: Call['method'], subjectId: string | null, step: PoolStep | null = null): Call {
    return { plane: 'pool', ownerId: this.#poolId, method, subjectId, step };
  }
}

function observed(leg: MemoryLeg): ObservedLeg {
  const { legId, volumeId, sizeBytes, epoch, holderCardId, serving, isCompressed } = leg;
  const contentBytes = leg.writes > 0 ? sizeBytes : 0;
  return {
    legId,
    volumeId,
    sizeBytes,
    allocatedBytes: isCompressed ? contentBytes / 2 : contentBytes,
    ...(isCompressed ? { uncompressedBytes: contentBytes } : {}),
    epoch,
    holderCardId,
    serving: serving && { ...serving },
  };
}
