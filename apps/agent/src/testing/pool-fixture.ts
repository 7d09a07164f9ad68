import { type DesiredLeg, type LegReport, poolDesiredSchema } from '@flexbso/contracts';
import { type CallHooks, MemoryPoolDataPlane, MemoryWorld } from '@flexbso/dataplane-memory';
import { Agent } from '../agent.js';
import { nextSession } from '../identity/session.js';
import { StateKeeper, poolStateSchema } from '../link/agent-state.js';
import { PoolRole } from '../pool/pool-role.js';
import { Fuse } from './fuse.js';
import { MemoryJournal, MemoryStore } from './memory-stores.js';
import { StubScheduler } from './stub-scheduler.js';
import { VirtualClock } from './virtual-clock.js';
import { openSealer, silent, testIdentity } from './test-agent.js';

export const POOL_ID = 'pool-1';
export const LEG_ID = 'leg-0000000001';
export const POOL_CAPACITY_BYTES = 64 * 1024 ** 2;

/** What a pool is to make of the leg, by its n-th operation. */
export function desiredLegOf(operation: number, difference: Partial<DesiredLeg>): DesiredLeg {
  const number = String(operation).padStart(10, '0');
  return {
    legId: LEG_ID,
    revision: 1,
    operationId: `op-${number}`,
    changeId: `chg-${number}`,
    volumeId: 'vol-0000000001',
    sizeBytes: 8 * 1024 ** 2,
    epoch: 1,
    holder: { cardId: 'card-1', sealingKey: openSealer.publicKey },
    role: 'preparing',
    tombstone: false,
    trace: {},
    ...difference,
  };
}

/** One pool with its disks, its scheduler and its clock; agents come and go on it. */
export class PoolFixture {
  readonly clock = new VirtualClock();
  readonly world = new MemoryWorld();
  readonly scheduler = new StubScheduler('pool', POOL_ID);
  readonly journal = new MemoryJournal();
  readonly store = new MemoryStore();
  #lives = 0;
  #operations = 0;

  async start(fuse = new Fuse(), hooks: CallHooks = {}): Promise<Agent<DesiredLeg, LegReport>> {
    const { clock } = this;
    const keeper = await StateKeeper.open(fuse.store(this.store), poolStateSchema, clock, silent);
    const budget = { capacityBytes: POOL_CAPACITY_BYTES, iops: 1000, bytesPerSecond: 1_000_000 };
    const plane = new MemoryPoolDataPlane({ world: this.world, poolId: POOL_ID, budget, hooks: fuse.hooks(hooks) });
    const common = { clock, random: { fraction: () => 0.5 }, log: silent };
    this.#lives++;
    const agent = new Agent<DesiredLeg, LegReport>({
      ...common,
      role: 'pool',
      id: POOL_ID,
      identity: testIdentity,
      session: nextSession(this.#lives, clock.nowMs(), crypto.randomUUID()),
      keeper,
      answerSchema: poolDesiredSchema,
      bus: this.scheduler.bus(fuse),
      timings: { beatMs: 5_000, measureMs: 10_000, requestTimeoutMs: 2_000 },
      makeRole: (report) =>
        new PoolRole({
          ...common,
          poolId: POOL_ID,
          plane,
          journal: fuse.journal(this.journal),
          sealer: openSealer,
          report,
          lookMs: 2_000,
        }),
      onFenced: () => undefined,
    });
    void agent.start();
    return agent;
  }

  async want(difference: Partial<DesiredLeg> = {}): Promise<DesiredLeg> {
    const desired = desiredLegOf(++this.#operations, difference);
    await this.scheduler.want(desired.legId, desired);
    return desired;
  }

  untilSaid({ operationId }: Pick<DesiredLeg, 'operationId'>, phase: LegReport['phase']): Promise<void> {
    return this.clock.runUntil(
      `${phase} of ${operationId}`,
      () => this.scheduler.saidOfLeg(operationId)?.phase === phase,
    );
  }
}
