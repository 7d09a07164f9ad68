import type {
  CardDesired,
  CardReport,
  InspectAnswer,
  DesiredLeg,
  DesiredQuestion,
  DesiredVolume,
  LegReport,
  PoolDesired,
  PoolReport,
  Problem,
  VolumeReport,
} from '@flexbso/contracts';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { sessionId } from './fixtures.js';

type Reply = { staleOperationIds: string[] };

/** How an agent reaches the scheduler: straight, or over a real bus. */
export interface CardLink {
  ask(question: DesiredQuestion): Promise<CardDesired>;
  report(report: CardReport): Promise<Reply>;
}
export interface PoolLink {
  ask(question: DesiredQuestion): Promise<PoolDesired>;
  report(report: PoolReport): Promise<Reply>;
}

/** What both roles do: ask since the revision that they have, and report what became of it. */
abstract class FakeAgent {
  readonly id: string;
  revision = 0;
  sessionNumber = 1;
  sessionId = sessionId;
  incarnation: string | null = null;
  /** Away: hears and says nothing. */
  isAway = false;

  constructor(id: string) {
    this.id = id;
  }

  /** It acts on nothing new: the last answer was of another life of the database. */
  isDiverged = false;

  /** Whether an answer is to be acted on; as the real agent judges it. */
  protected async takes({ incarnation, takesOver, revision }: CardDesired | PoolDesired): Promise<boolean> {
    const isOver = takesOver?.incarnation === this.incarnation && takesOver.revision === this.revision;
    const wasDiverged = this.isDiverged;
    this.isDiverged = this.incarnation !== null && incarnation !== this.incarnation && !isOver;
    if (this.isDiverged && !wasDiverged) await this.sayDiverged();
    if (this.isDiverged) return false;
    this.incarnation = incarnation;
    this.revision = revision;
    return true;
  }

  protected abstract sayDiverged(): Promise<unknown>;

  protected get question(): DesiredQuestion {
    return {
      v: 1,
      sessionId: this.sessionId,
      sessionNumber: this.sessionNumber,
      incarnation: this.incarnation,
      sinceRevision: this.revision,
    };
  }

  protected told(
    seen: Pick<InspectAnswer, 'total' | 'volumes' | 'legs'>,
    given: InspectAnswer['given'],
  ): InspectAnswer {
    return { v: 1, ...seen, incarnation: this.incarnation, revision: this.revision, given, next: null };
  }

  get head() {
    const incarnation = this.incarnation ?? sessionId;
    return {
      v: 1 as const,
      sessionId: this.sessionId,
      sessionNumber: this.sessionNumber,
      incarnation,
      revision: this.revision,
      diverged: this.isDiverged ? 'the answer is from another incarnation' : null,
    };
  }
}

export class FakeCard extends FakeAgent {
  readonly items = new Map<string, DesiredVolume>();
  readonly reports: VolumeReport[] = [];
  /** What the card says of a volume; the default does everything at once. */
  play: (item: DesiredVolume) => VolumeReport[] = succeed;
  readonly #link: CardLink;

  constructor(id: string, link: CardLink) {
    super(id);
    this.#link = link;
  }

  /** Asks, does what is new, reports. @returns whether there was anything new. */
  async catchUp(): Promise<boolean> {
    if (this.isAway) return false;
    const answer = await this.#link.ask(this.question);
    const isFollowed = await this.takes(answer);
    if (!isFollowed && answer.resumed) await this.#goOnWithWhatIsHeld();
    if (!isFollowed) return false;
    for (const item of answer.items) {
      this.items.set(item.volumeId, item);
      for (const report of this.play(item)) await this.say(report);
    }
    return answer.items.length > 0;
  }

  /** What it was told to hold goes on under the order that it has. */
  async #goOnWithWhatIsHeld(): Promise<void> {
    for (const [volumeId, { paused, ...item }] of this.items) {
      if (!paused) continue;
      this.items.set(volumeId, item);
      for (const report of this.play(item)) await this.say(report);
    }
  }

  /** Plays what it has once more. */
  async goOn(): Promise<void> {
    for (const item of this.items.values()) for (const report of this.play(item)) await this.say(report);
  }

  /** What it observes: all that it was given is as it is wanted, but for what it holds. */
  inspect(): InspectAnswer {
    const given = [...this.items.values()].filter((item) => !item.tombstone);
    const volumes = given.map((item) => {
      const observed = expectedObservation(plannedVolumeOf(item));
      return item.paused ? { ...observed, head: null } : observed;
    });
    return this.told({ total: volumes.length, volumes, legs: [] }, { volumes: [...this.items.values()], legs: [] });
  }

  protected sayDiverged(): Promise<Reply> {
    return this.#link.report({ ...this.head, volumes: [] });
  }

  say(report: VolumeReport): Promise<Reply> {
    this.reports.push(report);
    return this.#link.report({ ...this.head, volumes: [report] });
  }
}

export class FakePool extends FakeAgent {
  readonly items = new Map<string, DesiredLeg>();
  readonly reports: LegReport[] = [];
  play: (item: DesiredLeg) => LegReport[] = serve;
  readonly #link: PoolLink;

  constructor(id: string, link: PoolLink) {
    super(id);
    this.#link = link;
  }

  async catchUp(): Promise<boolean> {
    if (this.isAway) return false;
    const answer = await this.#link.ask(this.question);
    if (!(await this.takes(answer))) return false;
    for (const item of answer.items) {
      this.items.set(item.legId, item);
      for (const report of this.play(item)) await this.say(report);
    }
    return answer.items.length > 0;
  }

  inspect(): InspectAnswer {
    const given = [...this.items.values()].filter((item) => !item.tombstone);
    const legs = given.map(({ legId, volumeId, sizeBytes, epoch, holder: { cardId } }) => ({
      legId,
      volumeId,
      sizeBytes,
      allocatedBytes: 0,
      epoch,
      holderCardId: cardId,
      serving: { epoch, holderCardId: cardId },
    }));
    return this.told({ total: legs.length, volumes: [], legs }, { volumes: [], legs: [...this.items.values()] });
  }

  protected sayDiverged(): Promise<Reply> {
    return this.#link.report({ ...this.head, legs: [] });
  }

  say(report: LegReport): Promise<Reply> {
    this.reports.push(report);
    return this.#link.report({ ...this.head, legs: [report] });
  }
}

export function succeed(item: DesiredVolume): VolumeReport[] {
  return item.tombstone ? [cardReport(item, 'gone')] : [cardReport(item, 'applied'), cardReport(item, 'settled')];
}

/**
 * A card that takes its time: while it does not work it leaves operations of persons open, and heeds a cancel or a
 * pause of these. How one has ended it says again whenever it is asked.
 */
export class SlowCard {
  isWorking = false;
  readonly #ends = new Map<string, 'applied' | 'undone'>();

  readonly play = (item: DesiredVolume): VolumeReport[] => {
    const end = this.#endOf(item);
    if (end === 'applied') return succeed(item);
    const waitingFor = item.paused ? 'to be resumed' : 'the copy';
    const progress = { doneBytes: 5, totalBytes: 5 };
    if (end === null) return [{ ...cardReport(item, 'working'), waitingFor, progress }];
    const problem = { code: 'cancelled' as const, detail: 'it was cancelled before its cut-over' };
    return [{ ...cardReport(item, 'undone'), problem, observed: nothingNew(item) }];
  };

  #endOf(item: DesiredVolume): 'applied' | 'undone' | null {
    const known = this.#ends.get(item.operationId);
    if (known) return known;
    const isOwn = item.origin === 'person' && !item.tombstone;
    const isHeld = isOwn && (!this.isWorking || item.paused === true);
    const end = isOwn && item.cancelled ? 'undone' : isHeld ? null : 'applied';
    if (end) this.#ends.set(item.operationId, end);
    return end;
  }
}

/** Fails what a person asked for; goes back to what was when it is told so. */
export function failWith(problem: Problem, phase: 'undone' | 'refused' | 'plan-changed' = 'undone') {
  return (item: DesiredVolume): VolumeReport[] =>
    item.origin === 'person' ? [{ ...cardReport(item, phase), problem, observed: nothingNew(item) }] : succeed(item);
}

function nothingNew(item: DesiredVolume): VolumeReport['observed'] {
  return { volumeId: item.volumeId, running: true, head: null, stacks: [], copy: null, exports: [] };
}

export function cardReport(item: DesiredVolume, phase: VolumeReport['phase']): VolumeReport {
  return {
    volumeId: item.volumeId,
    operationId: item.operationId,
    generation: item.generation,
    phase,
    steps: [],
    progress: null,
    waitingFor: null,
    waitingSinceMs: null,
    closedLegIds: phase === 'gone' ? item.stack.legs.map(({ legId }) => legId) : [],
    bytesCopied: 0,
    uri: item.tombstone ? null : `nbd+unix:///${item.volumeId}`,
    problem: null,
    outage: null,
    legFaults: [],
    observed: phase === 'settled' ? expectedObservation(plannedVolumeOf(item)) : null,
  };
}

export function serve(item: DesiredLeg): LegReport[] {
  return [legReport(item, item.tombstone ? 'deleted' : 'ready')];
}

export function legReport(item: DesiredLeg, phase: LegReport['phase']): LegReport {
  return {
    legId: item.legId,
    operationId: item.operationId,
    phase,
    epoch: item.epoch,
    sizeBytes: item.sizeBytes,
    allocatedBytes: 0,
    address: phase === 'ready' ? { kind: 'nbd', host: '127.0.0.1', port: 10809, exportName: item.legId } : null,
    access: null,
    steps: [],
    problem: null,
  };
}
