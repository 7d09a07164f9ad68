import {
  type AgentRole,
  cardReportSchema,
  desiredQuestionSchema,
  inspectAnswerSchema,
  poolReportSchema,
  ProblemError,
  rpc,
} from '@flexbso/contracts';
import { Fleet } from '@flexbso/placement';
import {
  LifeKeeper,
  type LifeStore,
  MemoryBackups,
  type MemoryLifeStore,
  MemoryStore,
  Scheduler,
  type SchedulerContents,
  type SchedulerStore,
  type Seal,
  Vault,
} from '@flexbso/scheduler/deciding';
import type { Question, SimBus } from '../bus/sim-bus.js';
import type { Snapshots } from '../bus/snapshots.js';
import type { Chance } from '../time/chance.js';
import type { ServiceLife } from './service-host.js';
import type { SimProcess } from './sim-process.js';

export interface SchedulerParts {
  readonly chance: Chance;
  readonly bus: SimBus;
  readonly snapshots: Snapshots;
  /** The file beside the key file: outlives the processes. */
  readonly written: MemoryLifeStore;
  readonly restoring: Restoring;
  /** Is told with which books it counts what is free. */
  readonly onFleet: (fleet: Fleet) => void;
}

/** Of a copy of the database that was put back and has not begun a life of its own yet. */
export interface Restoring {
  /** Whether whoever starts the scheduler says so; false: the file beside the database is to tell. Null: nothing was put back. */
  isSaid: boolean | null;
}

/** 16 MiB a second: a copy of the smallest volumes lasts half a second. */
const COPY_BYTES_PER_SECOND = 16 * 1024 ** 2;

const LOOK_EVERY_MS = 5_000;
/** Ten minutes by default: longer than most runs. */
const REPLACE_LEG_AFTER_MS = 15_000;

const seal: Seal = (_plain, recipient) => ({ from: 'scheduler', sealed: `for ${recipient.slice(0, 4)}` });

/** Starts the scheduler in a process that holds the lease, in the order of the production's start. */
export async function runScheduler(life: ServiceLife<SchedulerContents>, parts: SchedulerParts): Promise<void> {
  const { process, lease } = life;
  const { bus, snapshots } = parts;
  const fleet = new Fleet();
  const scheduler = await made(life, parts, fleet);
  snapshots.follow(process, {
    card: (snapshot) => scheduler.hearCardSnapshot(snapshot),
    pool: (snapshot) => scheduler.hearPoolSnapshot(snapshot),
  });
  await scheduler.start();
  bus.serve('scheduler', {
    process,
    isServing: () => lease.isHeld,
    answer: (question) => answer(scheduler, question),
  });
  // One that stood still while it was starting counts with what the database had.
  if (lease.isHeld) parts.onFleet(fleet);
  await scheduler.wakeAgents();
  await lookNowAndThen(process, scheduler);
}

/** As the service's timer: what lasts too long is flagged, what could not begin does so later, bad legs are replaced. */
async function lookNowAndThen({ clock }: SimProcess, scheduler: Scheduler): Promise<never> {
  for (;;) {
    await clock.sleep(LOOK_EVERY_MS);
    // One that failed is followed by another.
    await scheduler.waits
      .look()
      .then(() => scheduler.followUps.look())
      .then(() => scheduler.health.look())
      .catch(() => undefined);
  }
}

async function made(
  { process, connection, lease }: ServiceLife<SchedulerContents>,
  { bus, chance, written, restoring }: SchedulerParts,
  fleet: Fleet,
): Promise<Scheduler> {
  const options = { randomness: chance, fence: lease.fence };
  const store = storeThrough(process, new MemoryStore(connection, options));
  const revisions = await lifeOf(throughProcess(written, process), store, process, restoring);
  return new Scheduler(
    {
      store,
      revisions,
      clock: process.clock,
      randomness: chance,
      nudges: { send: (role, id, message) => bus.tell(process, { role, id }, 'nudge', message) },
      inspections: { ask: (role, id) => inspected(bus, process, role, id) },
      tracing: { headers: () => ({}) },
      relay: { wake: () => undefined },
      backups: new MemoryBackups(connection, options),
      alarms: { warn: () => undefined },
      vault: new Vault({ wrapKey: new Uint8Array(32), randomness: chance, seal }),
      fleet,
    },
    { copyBytesPerSecond: COPY_BYTES_PER_SECOND, replaceLegAfterMs: REPLACE_LEG_AFTER_MS, term: lease.token },
  );
}

/** Of a copy that lacks no more than the last second the file cannot tell; then it has to be said. */
async function lifeOf(written: LifeStore, store: SchedulerStore, process: SimProcess, restoring: Restoring) {
  let isRenewed = false;
  const open = (renew: boolean): Promise<LifeKeeper> =>
    LifeKeeper.open(written, store, {
      clock: process.clock,
      renew,
      onRenewed: () => void (isRenewed = true),
      onFailed: () => undefined,
    });
  const first = await open(restoring.isSaid === true);
  const keeper = isRenewed || restoring.isSaid === null ? first : await open(true);
  restoring.isSaid = null;
  return keeper;
}

/** A process can end, or stand still, before it asks its database for anything. */
function storeThrough(process: SimProcess, store: MemoryStore): SchedulerStore {
  return {
    transaction: async (work) => {
      await process.moment('before', 'store.transaction');
      return store.transaction(work);
    },
    read: (work) => process.call('store.read', () => store.read(work)),
    incarnation: () => process.call('store.incarnation', () => store.incarnation()),
    renewIncarnation: () => process.call('store.renewIncarnation', () => store.renewIncarnation()),
  };
}

function throughProcess(written: MemoryLifeStore, process: SimProcess) {
  return {
    name: written.name,
    load: () => process.call('life.load', () => written.load()),
    save: (value: unknown) => process.call('life.save', () => written.save(value)),
  };
}

async function inspected(bus: SimBus, process: SimProcess, role: AgentRole, id: string) {
  const question = { v: 1, to: { role, id } };
  return inspectAnswerSchema.parse(
    await process.call('inspect', () => bus.askAgent(process, { role, id }, 'inspect', question)),
  );
}
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
    case 'create-snapshot':
      return scheduler.volumes.createSnapshot(verbs[verb].request.parse(payload));
    case 'delete-snapshot':
      return scheduler.volumes.deleteSnapshot(verbs[verb].request.parse(payload));
    case 'rollback-volume':
      return scheduler.volumes.rollback(verbs[verb].request.parse(payload));
    case 'detach-volume':
      return scheduler.volumes.detach(verbs[verb].request.parse(payload));
    case 'attach-volume':
      return scheduler.volumes.attach(verbs[verb].request.parse(payload));
    case 'failover-volume':
      return scheduler.volumes.failover(verbs[verb].request.parse(payload));
    case 'cancel-change':
      return scheduler.changes.cancel(verbs[verb].request.parse(payload));
    case 'pause':
      return scheduler.pauses.pause(verbs[verb].request.parse(payload));
    case 'resume':
      return scheduler.pauses.resume(verbs[verb].request.parse(payload));
    case 'list-pauses':
      return scheduler.pauses.list(verbs[verb].request.parse(payload));
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
