import type { ObservedVolume } from '@flexbso/contracts';
import type { CardDataPlane } from '@flexbso/dataplane-port';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import type { BookEntry, VolumeBook } from './book.js';
import type { VolumeJournal } from './volume-journal.js';

type OutageEntry = Extract<BookEntry, { kind: 'away' | 'back' }>;

export interface OutagePorts {
  readonly plane: Pick<CardDataPlane, 'observe' | 'endedInOrder'>;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** When this agent's life before gave its last sign, if it had one: what was to be served then, was. */
  readonly lastSignMs: number | null;
}

/** Looks at a volume, and keeps in its journal since when, and for how long, it did none of its guest's I/O. */
export class OutageWatch {
  readonly #volumeId: string;
  readonly #journal: VolumeJournal;
  readonly #ports: OutagePorts;
  #lastServedAtMs: number | null;
  #goneAtMs: number | null = null;

  constructor(volumeId: string, journal: VolumeJournal, ports: OutagePorts) {
    this.#volumeId = volumeId;
    this.#journal = journal;
    this.#ports = ports;
    this.#lastServedAtMs = ports.lastSignMs;
  }

  /** The data plane was just seen to go. */
  gone(): void {
    this.#goneAtMs ??= this.#ports.clock.nowMs();
  }

  async observe(): Promise<ObservedVolume> {
    const { plane, clock, log } = this.#ports;
    const observed = await plane.observe(this.#volumeId);
    const entry = await this.#entryOf(observed, this.#journal.book, clock.nowMs());
    if (entry === null) return observed;
    await this.#journal.enter([entry]);
    log.warn(`the I/O of a volume is ${entry.kind}`, { volumeId: this.#volumeId, ...entry });
    return observed;
  }

  async #entryOf(observed: ObservedVolume, book: VolumeBook, nowMs: number): Promise<OutageEntry | null> {
    if (!carriesGuest(book)) return null;
    const isServed = observed.head !== null && observed.exports.length > 0;
    return isServed ? this.#served(observed, book, nowMs) : this.#notServed(observed, book, nowMs);
  }

  #served(observed: ObservedVolume, { away }: VolumeBook, nowMs: number): OutageEntry | null {
    this.#lastServedAtMs = nowMs;
    this.#goneAtMs = null;
    if (away === null) return null;
    // An NBD client connects again and repeats what was in flight. A virtio or NVMe queue is in the guest's memory, and
    // which of its requests were done nobody can tell (docs/design/outages.md).
    const guestMustReset = observed.exports.some(({ protocol }) => protocol !== 'nbd');
    const { memoryLost, ...span } = away;
    const lost = memoryLost && isOnOverlay(observed) ? { unflushedLost: true as const } : {};
    return { kind: 'back', outage: { ...span, untilMs: nowMs, guestMustReset, ...lost } };
  }

  async #notServed({ running }: ObservedVolume, { away }: VolumeBook, nowMs: number): Promise<OutageEntry | null> {
    if (away?.memoryLost) return null;
    // Asked before anything is started: that is when it is known.
    const memoryLost = !running && !(await this.#ports.plane.endedInOrder(this.#volumeId));
    // It may have served again, unseen, and died.
    if (away !== null) return memoryLost ? { kind: 'away', away: { ...away, memoryLost } } : null;
    const fromMs = this.#goneAtMs ?? this.#lastServedAtMs ?? nowMs;
    return { kind: 'away', away: { fromMs, fromIsExact: this.#goneAtMs !== null, memoryLost } };
  }
}

/** Only an overlay's tables are in memory until a flush; what was answered of any other stack is on its legs. */
function isOnOverlay({ head, stacks }: ObservedVolume): boolean {
  const carrier = stacks.find(({ stackGeneration }) => stackGeneration === head?.stackGeneration);
  return carrier?.baseStackGeneration !== undefined;
}

function carriesGuest({ applied, operation }: VolumeBook): boolean {
  return applied !== null && !applied.tombstone && operation?.desired.tombstone !== true;
}
