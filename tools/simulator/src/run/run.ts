import { checkReportSchema, type Caller, pauseListSchema, ProblemError } from '@flexbso/contracts';
import { type MemoryCard, MemoryWorld } from '@flexbso/dataplane-memory';
import { InventoryContents } from '@flexbso/inventory/deciding';
import { MemoryDatabase, type MemoryDatabaseCopy } from '@flexbso/persistence/memory';
import type { Fleet } from '@flexbso/placement';
import { MemoryLifeStore, SchedulerContents } from '@flexbso/scheduler/deciding';
import { SimBus } from '../bus/sim-bus.js';
import { Snapshots } from '../bus/snapshots.js';
import type { Hits } from '../faults/coverage.js';
import { Faults } from '../faults/faults.js';
import { Asker } from '../operators/asker.js';
import { Client } from '../operators/client.js';
import { Settler } from '../operators/settler.js';
import { AgentHost, type Machine } from '../processes/agent-host.js';
import { runInventory } from '../processes/inventory.js';
import { type Restoring, runScheduler } from '../processes/scheduler.js';
import { ServiceHost } from '../processes/service-host.js';
import { type Moment, SimProcess } from '../processes/sim-process.js';
import { legGoesBad } from '../site/bad-leg.js';
import { machines } from '../site/machines.js';
import { Chance } from '../time/chance.js';
import { Timeline } from '../time/timeline.js';
import { Books } from '../truth/books.js';
import { Judge } from '../truth/judge.js';
import type { Promises } from '../truth/promises.js';
import { CLIENT, clientOf } from '../truth/requests.js';
import type { Violation } from '../truth/violation.js';
import { faultsOf } from './faults-of-run.js';

export interface RunResult {
  readonly seed: number;
  readonly events: number;
  readonly faults: number;
  readonly changes: number;
  /** That a guest was served. */
  readonly volumes: number;
  /** It has all that a schedule is to have: volumes, events, faults, one of them within a copy. */
  readonly isEnough: boolean;
  readonly violations: readonly Violation[];
  readonly coverage: readonly Hits[];
}

/** Is told what happens. */
export type Trace = (line: string) => void;

type AnyServiceHost = Pick<ServiceHost<InventoryContents>, 'name' | 'process' | 'isActive' | 'replace'>;

interface OlderCopy {
  readonly database: MemoryDatabaseCopy<SchedulerContents>;
  readonly accepted: ReadonlyMap<string, string>;
}

/** The database is copied at any event up to this one; from before anything was heard, too. */
const COPIED_BY = 300;
/** In some runs; by then there are volumes on it, and while it is away enough is left of the run. */
const CARD_AWAY = { oneIn: 5, least: 100, most: 300 };
/** In some runs, as soon as there is a redundant volume. */
const LEG_BAD = { oneIn: 3, least: 100, most: 400, tryEvery: 25 };
const REST_ONE_IN = { aroundAnOutage: 2, otherwise: 20 };
const VOLUMES = 5;
const MIN_EVENTS = 200;
const MIN_FAULTS = 3;
/** Of which each was served to a guest. */
const MIN_VOLUMES = 5;
/** Some faults wait for steps that the run never comes to. */
const ENOUGH_EVENTS = 700;
/** A run that has not come to enough by then ends without, and says so. */
const MAX_EVENTS = 10_000;
const BRING_ON_EVERY = 100;
const withinAnyCopy = ['step-fails', 'crash-before', 'data-plane-lies', 'message-delayed'] as const;
/** Longer than every patience in the system; what is not over then never is. */
const REST_WITHIN_MS = 900_000;
/** A guest writes this often, in events. */
const WRITE_EVERY = 3;
/** From when a scheduler stands still until it goes on: its lease has run out and another has taken over. */
const STOPPED = { leastMs: 6_500, mostMs: 15_000 };

const tenant: Caller = { name: CLIENT, role: 'operator', tenantId: 'acme' };
const fleetOperator: Caller = { name: 'fleet operator', role: 'operator', tenantId: null };
const admin: Caller = { name: 'operator', role: 'admin', tenantId: null };

/** One run of the whole system by one seed: services, bus, agents, clients and faults in this process, under one clock. */
export class Run {
  readonly #seed: number;
  readonly #say: Trace;
  readonly #chance: Chance;
  readonly #timeline = new Timeline();
  readonly #faults: Faults;
  readonly #world = new MemoryWorld();
  readonly #bus: SimBus;
  readonly #books = new Books();
  readonly #database = new MemoryDatabase(new SchedulerContents(), (now, before) => this.#books.replaced(now, before));
  readonly #agents: AgentHost[];
  readonly #scheduler: ServiceHost<SchedulerContents>;
  readonly #inventory: ServiceHost<InventoryContents>;
  readonly #judge: Judge;
  readonly #clients: Client[] = [];
  /** What an older copy of the database would be, with what was accepted until then. */
  #copy: OlderCopy | null = null;
  #isEnding = false;
  #isOver = false;
  /** What was not at rest when it was last looked at. */
  #unrested = 'nobody answers';
  /** Services that stood still, and may have gone on or ended since. */
  readonly #still: SimProcess[] = [];
  readonly #restoring: Restoring = { isSaid: null };
  /** The event after which the database is copied. */
  readonly #copyAt: number;
  /** The event after which a card's machine is off for long. */
  readonly #cardAwayAt: number | null;
  /** The event after which a leg goes bad; null: none does, or one has. */
  #legBadAt: number | null;
  #settler: Settler | null = null;
  /** With which the newest scheduler counts. */
  #fleet: Fleet | null = null;

  /** @param trace is told what happens, a line each */
  constructor(seed: number, trace: Trace = () => undefined) {
    this.#seed = seed;
    this.#chance = new Chance(seed);
    this.#copyAt = this.#chance.int(1, COPIED_BY);
    this.#cardAwayAt = this.#chance.isOneIn(CARD_AWAY.oneIn) ? this.#chance.int(CARD_AWAY.least, CARD_AWAY.most) : null;
    this.#legBadAt = this.#chance.isOneIn(LEG_BAD.oneIn) ? this.#chance.int(LEG_BAD.least, LEG_BAD.most) : null;
    const said = (line: string): void => trace(`${this.#timeline.count} ${this.#timeline.elapsedMs} ms: ${line}`);
    this.#say = said;
    this.#faults = new Faults(said);
    const common = { timeline: this.#timeline, chance: this.#chance, faults: this.#faults, trace: said };
    this.#bus = new SimBus({ ...common, onDoubled: (from) => this.#judge.requests.doubled(from) });
    const endsAt = (moment: Moment): boolean => this.#endsAt(moment);
    this.#agents = machines().map(
      (machine) =>
        new AgentHost(machine, {
          ...common,
          bus: this.#bus,
          world: this.#world,
          endsAt,
          onActed: (call) => this.#judge.acted(call),
        }),
    );
    this.#judge = new Judge({
      timeline: this.#timeline,
      world: this.#world,
      cards: this.#agents.flatMap(({ card }) => card ?? []),
      books: this.#books,
      trace: said,
    });
    const services = {
      ...common,
      bus: this.#bus,
      snapshots: new Snapshots(this.#timeline),
      endsAt,
      onStaleCommit: (what: string) => this.#judge.violated(fenced, what),
    };
    const written = new MemoryLifeStore();
    this.#scheduler = new ServiceHost({
      ...services,
      name: 'scheduler',
      database: this.#database,
      run: (life) =>
        runScheduler(life, {
          ...services,
          written,
          restoring: this.#restoring,
          onFleet: (fleet) => (this.#fleet = fleet),
        }),
    });
    this.#inventory = new ServiceHost({
      ...services,
      name: 'inventory',
      database: new MemoryDatabase(new InventoryContents()),
      run: (life) => runInventory(life, services),
    });
  }

  async play(): Promise<RunResult> {
    this.#begin();
    while (!this.#isOver && this.#judge.violations.length === 0 && (await this.#timeline.next())) this.#afterEvent();
    if (!this.#isOver && this.#judge.violations.length === 0) this.#judge.violated(atRest, 'nothing goes on any more');
    return {
      seed: this.#seed,
      events: this.#timeline.count,
      faults: this.#faults.coverage.total,
      changes: this.#books.changes.length,
      volumes: this.#judge.guests.volumeIds().length,
      isEnough: this.#isEnough,
      violations: this.#judge.violations,
      coverage: this.#faults.coverage.list(),
    };
  }

  #begin(): void {
    this.#inventory.start();
    this.#scheduler.start();
    for (const agent of this.#agents) agent.start();
    const idsOf = (role: Machine['role']) =>
      this.#agents.filter(({ machine }) => machine.role === role).map(({ machine }) => machine.id);
    const [poolIds, cardIds] = [idsOf('pool'), idsOf('card')];
    const names = Array.from({ length: VOLUMES }, (_, index) => `vol-${index + 1}`);
    for (const name of names) {
      const asker = this.#asker(clientOf(name), tenant);
      const client = new Client({
        name,
        names,
        asker,
        chance: this.#chance,
        books: this.#books,
        fleetAsker: this.#asker(`fleet operator of ${name}`, fleetOperator),
        requests: this.#judge.requests,
        promises: this.#judge.promises,
        poolIds,
        restOneIn: this.#cardAwayAt === null ? REST_ONE_IN.otherwise : REST_ONE_IN.aroundAnOutage,
        cardIds,
        onAccepted: ({ volumeId, changeId }) => {
          // Its answer was under way while the database was put back behind it.
          if (!this.#books.isOfFormerLife(changeId)) this.#judge.accepted.set(changeId, volumeId);
        },
      });
      this.#clients.push(client);
      void client.run();
    }
    for (const fault of faultsOf(this.#chance, this.#cardAwayAt !== null)) this.#faults.arm(fault);
  }

  #asker(name: string, caller: Caller): Asker {
    const process = new SimProcess(name, this.#timeline, () => false);
    return new Asker({ process, bus: this.#bus, chance: this.#chance, caller });
  }

  #afterEvent(): void {
    const { count } = this.#timeline;
    if (count % WRITE_EVERY === 0) this.#judge.guestsWrite();
    this.#judge.look();
    if (count === this.#copyAt)
      this.#copy = { database: this.#database.copy(), accepted: new Map(this.#judge.accepted) };
    if (this.#isEnding) return;
    if (this.#legBadAt !== null && count >= this.#legBadAt && count % LEG_BAD.tryEvery === 0) this.#spoilALeg();
    if (count === this.#cardAwayAt) this.#chance.pick(this.#agents.filter(({ card }) => card !== null)).goAwayForLong();
    const isBack = !this.#agents.some(({ isAway }) => isAway);
    const isOver = isBack && this.#isEnough && (this.#faults.waiting.length === 0 || count >= ENOUGH_EVENTS);
    if (isOver || count >= MAX_EVENTS) void this.#end();
    else if (count >= ENOUGH_EVENTS && count % BRING_ON_EVERY === 0) this.#bringOn();
  }

  #spoilALeg(): void {
    const cards = this.#agents.flatMap(({ card }) => card ?? []);
    const legId = legGoesBad(cards, this.#chance);
    if (legId === null) return;
    this.#say(`${legId} goes bad`);
    this.#legBadAt = null;
  }

  /** As much as every schedule is to have. */
  get #isEnough(): boolean {
    const { coverage } = this.#faults;
    return (
      this.#timeline.count >= MIN_EVENTS &&
      coverage.total >= MIN_FAULTS &&
      coverage.of('copy') > 0 &&
      this.#judge.guests.volumeIds().length >= MIN_VOLUMES
    );
  }

  /** What a schedule still lacks may wait for what never happens. */
  #bringOn(): void {
    // Nobody but the database that was put back knows of such a pause, which holds every change.
    if (this.#settler !== null) void resumeAll(this.#asker('operator', admin), this.#judge.promises);
    if (this.#faults.coverage.of('copy') === 0)
      this.#faults.arm({ kind: this.#chance.pick(withinAnyCopy), step: 'copy', skip: 0 });
  }

  async #end(): Promise<void> {
    this.#isEnding = true;
    this.#faults.disarm();
    for (const client of this.#clients) client.stop();
    const asker = this.#asker('operator', admin);
    this.#timeline.after(REST_WITHIN_MS, () => this.#judge.violated(atRest, this.#unrested));
    await resumeAll(asker, this.#judge.promises);
    do {
      await asker.process.clock.sleep(5_000);
      await this.#failOverAgain(asker);
      this.#unrested = this.#unrest() ?? (await this.#differences(asker)) ?? '';
    } while (this.#unrested !== '');
    this.#judge.lookAtTheEnd(this.#fleet);
    this.#isOver = true;
  }

  /** Whoever had asked for it has stopped; it is the operator's then. */
  async #failOverAgain(asker: Asker): Promise<void> {
    for (const { volumeId, generation } of this.#books.carriedByNobody())
      try {
        await asker.write('failover-volume', { volume: volumeId, basedOnGeneration: generation });
      } catch (error) {
        // Not now: the next look asks again.
        if (!(error instanceof ProblemError)) throw error;
      }
  }

  #unrest(): string | null {
    const unsettled = this.#settler?.unsettled ?? null;
    if (unsettled !== null) return `a restore is not settled: ${unsettled}`;
    const open = this.#books.openChange();
    return open
      ? `${open.changeId} (${open.kind}) is ${open.state}: it waits for ${open.waitingFor ?? 'nothing'}`
      : null;
  }

  async #differences(asker: Asker): Promise<string | null> {
    const { differences } = checkReportSchema.parse(await asker.read('check', {}));
    const [first] = differences;
    return first ? `${first.where} ${first.id}: ${first.what}` : null;
  }

  #endsAt(moment: Moment): boolean {
    const { process } = moment;
    const faults = this.#faults;
    const host = [this.#scheduler, this.#inventory].find(({ name }) => name === process.name) ?? null;
    this.#harm(moment, host);
    // One that only waits to take over is missed by nobody.
    if (host?.isActive(process) === false) return false;
    if (host === this.#scheduler && this.#copy !== null && faults.strikes('database-restored', process.name)) {
      this.#restore(this.#copy);
      return true;
    }
    return faults.strikes(moment.phase === 'before' ? 'crash-before' : 'crash-after', process.name);
  }

  /** What strikes a process, or what it has in its hands, without ending it. */
  #harm({ process, call }: Moment, host: AnyServiceHost | null): void {
    const { card } = this.#agents.find(({ name }) => name === process.name) ?? {};
    if (card) this.#killOne(card, process.name);
    // Not within a commit: a whole database would stand still with it.
    if (call !== 'commit' && host?.isActive(process) && this.#faults.strikes('lease-lost', process.name))
      this.#standStill(host);
  }

  /** The data plane of the volume whose step it is; between steps, of any that runs. */
  #killOne(card: MemoryCard, process: string): void {
    const step = this.#faults.progress.of(process);
    const running = card.volumeIds();
    const struck = step === null ? running : running.filter((volumeId) => volumeId === step.subjectId);
    if (struck.length === 0 || !this.#faults.strikes('data-plane-killed', process)) return;
    const volumeId = this.#chance.pick(struck);
    card.kill(volumeId);
    this.#say(`${volumeId} on ${card.cardId} runs no more`);
    this.#judge.killed(card.cardId, volumeId);
  }

  #standStill(host: AnyServiceHost): void {
    const { process } = host;
    this.#still.push(process);
    process.stop();
    this.#say(`${host.name} stands still`);
    host.replace();
    this.#timeline.after(this.#chance.int(STOPPED.leastMs, STOPPED.mostMs), () => process.goOn());
  }

  #restore({ database, accepted }: OlderCopy): void {
    // Whoever puts files back has ended every process on them: one that goes on would hold the lease of the copy again.
    for (const process of [this.#scheduler.process, ...this.#still])
      if (process.name === this.#scheduler.process.name) process.kill();
    this.#books.restored();
    this.#judge.promises.forget();
    this.#database.putBack(database);
    this.#judge.isRestored = true;
    this.#restoring.isSaid = this.#chance.isOneIn(2);
    this.#judge.accepted = new Map(accepted);
    this.#settler = new Settler(this.#asker('settler', admin));
    void this.#settle(this.#settler);
  }

  async #settle(settler: Settler): Promise<void> {
    for (;;) {
      await settler.settleAll();
      this.#judge.isRestored = false;
      // He goes on looking: whoever was off for all of it comes back in the life that it knows.
    }
  }
}

const fenced = 'fenced: nothing is written under a lease that is past';
const atRest = 'rest: when all is over, everything agrees and nothing is left';

/** Those who paused have resumed; a copy that was put back may hold what they paused before. */
async function resumeAll(asker: Asker, promises: Promises): Promise<void> {
  const { items } = pauseListSchema.parse(await asker.read('list-pauses', {}));
  for (const { cardId } of items) {
    promises.resumed(cardId);
    await asker.read('resume', { cardId });
  }
}
