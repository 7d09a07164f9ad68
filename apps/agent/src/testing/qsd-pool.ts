import { type DesiredLeg, type LegReport, poolDesiredSchema } from '@flexbso/contracts';
import type { PoolDiscovery } from '@flexbso/dataplane-port';
import { QsdPoolDataPlane, type QsdPoolOptions } from '@flexbso/dataplane-qsd';
import { QsdSite, setupQemu } from '@flexbso/dataplane-qsd/testing';
import { eventually } from '@flexbso/testkit';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '../agent.js';
import { nextSession } from '../identity/session.js';
import { FileJournal } from '../journal/file-journal.js';
import { StateKeeper, poolStateSchema } from '../link/agent-state.js';
import { PoolRole } from '../pool/pool-role.js';
import { systemClock } from '../ports/clock.js';
import { MemoryStore } from './memory-stores.js';
import { NamedFuse } from './named-fuse.js';
import { desiredLegOf, LEG_ID } from './pool-fixture.js';
import { StubScheduler } from './stub-scheduler.js';
import { openSealer, silent, testIdentity } from './test-agent.js';

const DEADLINE_MS = 30_000;

interface Life {
  readonly fuse: NamedFuse;
  readonly agent: Agent<DesiredLeg, LegReport>;
  readonly journal: FileJournal;
}

/** A real pool beneath an agent whose bus is a double; agents come and go on it, and die where it is said. */
export class QsdPool {
  readonly site: QsdSite;
  readonly scheduler: StubScheduler;
  readonly #discovery: PoolDiscovery;
  readonly #options: QsdPoolOptions;
  readonly #store = new MemoryStore();
  readonly #lives: Life[] = [];
  #operations = 0;

  private constructor(site: QsdSite, discovery: PoolDiscovery) {
    this.site = site;
    this.#discovery = discovery;
    this.#options = discovery.reach === 'host' ? site.hostPoolOptions : site.networkPoolOptions;
    this.scheduler = new StubScheduler('pool', this.#options.poolId);
  }

  /** What it can do is asked for once; a probe takes longer than most steps. */
  static async make(reach: PoolDiscovery['reach'], discovery: PoolDiscovery | null): Promise<QsdPool> {
    const site = await QsdSite.make(setupQemu());
    const pool = reach === 'host' ? site.hostPool : site.networkPool;
    return new QsdPool(site, discovery ?? (await pool.discover()));
  }

  get discovery(): PoolDiscovery {
    return this.#discovery;
  }

  async start(fuse = new NamedFuse()): Promise<void> {
    const { poolId } = this.#options;
    const keeper = await StateKeeper.open(fuse.store(this.#store), poolStateSchema, systemClock, silent);
    const real = new QsdPoolDataPlane(this.#options);
    const plane = { ...fuse.pool(real), discover: () => Promise.resolve(this.#discovery) };
    const folder = join(this.site.directory, 'journal');
    await mkdir(folder, { recursive: true });
    const journal = new FileJournal(folder);
    const common = { clock: systemClock, random: { fraction: () => 0.5 }, log: silent };
    const agent = new Agent<DesiredLeg, LegReport>({
      ...common,
      role: 'pool',
      id: poolId,
      identity: testIdentity,
      session: nextSession(this.#lives.length + 1, systemClock.nowMs(), crypto.randomUUID()),
      keeper,
      answerSchema: poolDesiredSchema,
      bus: this.scheduler.bus(fuse),
      timings: { beatMs: 1_000, measureMs: 60_000, requestTimeoutMs: 2_000 },
      makeRole: (report) =>
        new PoolRole({
          ...common,
          poolId,
          plane,
          journal: fuse.journal(journal),
          sealer: openSealer,
          report,
          lookMs: 1_000,
        }),
      onFenced: () => undefined,
    });
    this.#lives.push({ fuse, agent, journal });
    void agent.start();
  }

  /** Ends the present life in good order; of a dead one, what it held open is closed as by its kernel. */
  async stop(): Promise<void> {
    const life = this.#lives.at(-1);
    if (life?.fuse.blown === false) {
      let isStopped = false;
      void life.agent.stop().then(() => (isStopped = true));
      await eventually('the agent has stopped or is dead', () => isStopped || life.fuse.blown, DEADLINE_MS);
    }
    if (life?.fuse.blown) await eventually('the dead agent does no more', () => life.fuse.isStill, DEADLINE_MS);
    await life?.journal.close();
  }

  async want(difference: Partial<DesiredLeg>): Promise<DesiredLeg> {
    const desired = desiredLegOf(++this.#operations, difference);
    await this.scheduler.want(desired.legId, desired);
    return desired;
  }

  phaseOf({ operationId }: DesiredLeg): string {
    return this.scheduler.saidOfLeg(operationId)?.phase ?? 'nothing said';
  }

  async untilEnded(desired: DesiredLeg): Promise<string> {
    const hasEnded = () => ['ready', 'deleted', 'failed'].includes(this.phaseOf(desired));
    await eventually(`${desired.operationId} ended`, hasEnded, DEADLINE_MS);
    return this.phaseOf(desired);
  }

  /** What there is of the leg, as another client of the pool sees it; null: nothing. */
  async observe() {
    const leg = await new QsdPoolDataPlane(this.#options).observe(LEG_ID);
    return leg && { sizeBytes: leg.sizeBytes, epoch: leg.epoch, serving: leg.serving };
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.site.dispose();
  }
}
