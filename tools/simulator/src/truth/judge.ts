import type { ObservedVolume } from '@flexbso/contracts';
import type { Call, MemoryCard, MemoryWorld } from '@flexbso/dataplane-memory';
import type { Fleet } from '@flexbso/placement';
import type { VolumeRecord } from '@flexbso/scheduler/deciding';
import type { Timeline } from '../time/timeline.js';
import type { Books } from './books.js';
import { Guests } from './guests.js';
import { Orders } from './orders.js';
import { Promises } from './promises.js';
import { Requests } from './requests.js';
import { miscounted, reservedForNothing, unreserved } from './reservations.js';
import type { Invariant, Violation } from './violation.js';

export interface JudgeParts {
  readonly timeline: Timeline;
  readonly world: MemoryWorld;
  readonly cards: readonly MemoryCard[];
  readonly books: Books;
  readonly trace: (line: string) => void;
}

/** More say nothing new: the first one spoils the run. */
const MAX_VIOLATIONS = 10;

/** Looks at what is so, and never asks those who are judged. */
export class Judge {
  readonly orders = new Orders();
  readonly guests = new Guests();
  readonly requests = new Requests();
  readonly promises: Promises;
  readonly violations: Violation[] = [];
  /** Accepted requests, by change; those that the database was put back behind are no longer owed. */
  accepted = new Map<string, string>();
  /** The database is an older copy, and not every difference is settled. */
  isRestored = false;
  readonly #parts: JudgeParts;
  readonly #legIds = new Set<string>();
  readonly #running = new Set<string>();
  /** Generations that were said to be applied, and were. */
  readonly #applied = new Set<string>();
  /** Writes that each leg of a snapshot has. */
  readonly #frozen = new Map<string, number | null>();
  #hasActed = false;
  #commits = 0;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
    this.promises = new Promises(parts.timeline, (what) => this.violated(acknowledged, what));
    const { books } = parts;
    books.onDesired = (entry) => {
      this.orders.note(entry);
      // What is ordered may be so already.
      if (entry.role === 'card') this.#seen(entry.agentId, entry.itemId);
      const { item, role, agentId, itemId } = entry;
      const what = 'generation' in item ? `generation ${item.generation} of ${item.origin}` : item.role;
      parts.trace(
        `ordered of ${role} ${agentId}: ${itemId} ${what}${item.tombstone ? ', to go' : ''} (${item.operationId})`,
      );
    };
    books.onChangeCommitted = (change) => this.promises.changed(change);
    books.onVolume = (volume, change) => this.promises.committed(volume, change);
    books.onChange = (change, from) => {
      const { changeId, kind, state, volumeId } = change;
      this.promises.moved(change, from, books.volume(volumeId));
      this.orders.noteEnd({ kind, state, volumeId });
      if (kind === 'rollback' && state === 'retiring') this.#noteRollback(volumeId);
      parts.trace(`${changeId}, ${kind} of ${volumeId}: ${state}`);
    };
  }

  /** A data plane has done something, or lied about it. */
  acted({ plane, ownerId, method, subjectId, step }: Call): void {
    if (method !== 'perform' && method !== 'undo') return;
    this.#hasActed = true;
    this.#parts.trace(`${plane} ${ownerId} ${method} ${JSON.stringify(step)} on ${subjectId}`);
    if (subjectId === null) return;
    if (plane === 'card') this.#cardActed(ownerId, subjectId, method, step?.kind ?? '');
    else this.#poolActed(subjectId, method, step?.kind ?? '');
  }

  /** A data plane was killed: what does not run any more was not deleted. */
  killed(cardId: string, volumeId: string): void {
    this.#running.delete(`${cardId} ${volumeId}`);
    this.#hasActed = true;
    this.#seen(cardId, volumeId);
  }

  /** From here on its guest is to find what the snapshot holds, which nobody writes to. */
  #noteRollback(volumeId: string): void {
    const { books, world } = this.#parts;
    const writes = books.legsBeneath(volumeId).map((legIds) => legIds.map((id) => world.legs.get(id)?.writes ?? 0));
    this.guests.rolledBack(volumeId, Math.max(0, ...writes.map((ofStack) => Math.min(...ofStack))));
  }

  /** To be called after every event. */
  look(): void {
    const { books } = this.#parts;
    const hasCommitted = books.commits !== this.#commits;
    this.#commits = books.commits;
    if (this.#hasActed) {
      this.#lookAtWriters();
      this.#lookAtStacks();
    }
    if (hasCommitted) {
      this.#lookAtApplied();
      this.#lookAtAccepted();
    }
    if (hasCommitted || this.#hasActed) {
      this.#lookAtReservations();
      this.#lookAtSnapshots();
    }
    this.#hasActed = false;
  }

  guestsWrite(): void {
    for (const what of this.guests.write(this.#parts.cards)) this.violated(completeness, what);
  }

  violated(invariant: Invariant, what: string): void {
    if (this.violations.length >= MAX_VIOLATIONS) return;
    const { timeline } = this.#parts;
    this.violations.push({ invariant, what, atEvent: timeline.count, atMs: timeline.elapsedMs });
  }

  #cardActed(cardId: string, volumeId: string, method: string, step: string): void {
    const observed = this.#seen(cardId, volumeId);
    const key = `${cardId} ${volumeId}`;
    if (observed.running) this.#running.add(key);
    else if (this.#running.delete(key) && method === 'perform' && !this.orders.isVolumeTombstoned(cardId, volumeId))
      this.violated(absence, `${step} ended ${volumeId} on ${cardId}, and nobody had ordered it`);
  }

  #seen(cardId: string, volumeId: string): ObservedVolume {
    const card = this.#parts.cards.find((one) => one.cardId === cardId);
    if (!card) throw new Error(`there is no ${cardId}`);
    const observed = card.observe(volumeId);
    this.orders.seen(cardId, observed);
    return observed;
  }

  #poolActed(legId: string, method: string, step: string): void {
    if (this.#parts.world.legs.has(legId)) {
      this.#legIds.add(legId);
      return;
    }
    if (!this.#legIds.delete(legId)) return;
    // What a pool made and never got ready it takes back by itself.
    if (method === 'undo' && step === 'create-leg') return;
    if (!this.orders.isLegTombstoned(legId))
      this.violated(absence, `${step} deleted ${legId}, and nobody had ordered it`);
  }

  #lookAtWriters(): void {
    const writers = new Map<string, string>();
    for (const card of this.#parts.cards) {
      for (const volumeId of card.volumeIds()) {
        const read = this.orders.sharedLegs(volumeId);
        for (const { legId, epoch } of card.openLegs(volumeId)) {
          if (read.has(legId)) continue;
          const leg = this.#parts.world.legs.get(legId);
          const isWritable = leg?.serving?.holderCardId === card.cardId && leg.serving.epoch === epoch;
          if (!isWritable) continue;
          const writer = `${volumeId} on ${card.cardId}`;
          const other = writers.get(legId);
          if (leg.volumeId !== volumeId) this.violated(oneWriter, `${legId} of ${leg.volumeId} is open for ${writer}`);
          if (other !== undefined) this.violated(oneWriter, `${legId} is open for ${writer} and for ${other}`);
          writers.set(legId, writer);
        }
      }
    }
  }

  #lookAtStacks(): void {
    for (const volumeId of this.guests.volumeIds()) {
      if (this.orders.isToEnd(volumeId)) continue;
      const last = this.guests.lastWrite(volumeId);
      const isComplete = this.orders
        .stacksOf(volumeId)
        .some((chain) =>
          chain.some((legIds) => legIds.every((legId) => (this.#parts.world.legs.get(legId)?.writes ?? -1) >= last)),
        );
      if (!isComplete) this.violated(completeness, `no stack of ${volumeId} holds all of its guest's ${last} writes`);
    }
  }

  #lookAtApplied(): void {
    for (const volume of this.#parts.books.volumes) {
      const { volumeId, appliedGeneration, generation, cardOperationId } = volume;
      if (appliedGeneration === 0) continue;
      // One that is rolled back is changing, and no card is asked.
      if (volume.state === 'detached' || (volume.want.detached && cardOperationId === null)) {
        this.#lookAtDetached(volume);
        // What changed of it while no card had it is as true as it can be.
        this.#applied.add(`${volumeId} ${appliedGeneration}`);
        continue;
      }
      // What was adopted has a generation of the books' own: it is the order that the card follows.
      const isNewest = appliedGeneration === generation && cardOperationId !== null;
      const isTrue =
        this.orders.wasCarried(volumeId, appliedGeneration) ||
        (isNewest && this.orders.wasCarriedOut(cardOperationId)) ||
        this.#applied.has(`${volumeId} ${appliedGeneration}`);
      if (isTrue) this.#applied.add(`${volumeId} ${appliedGeneration}`);
      else if (!this.isRestored)
        this.violated(echo, `${volumeId} is said to run generation ${appliedGeneration}, which no data plane ever did`);
    }
  }

  /** A card that it was failed over from may have it still: its legs are fenced from that one. */
  #lookAtDetached({ volumeId, formerCards }: Pick<VolumeRecord, 'volumeId' | 'formerCards'>): void {
    const left = new Set(formerCards.map(({ cardId }) => cardId));
    const card = this.#parts.cards.find((one) => !left.has(one.cardId) && one.volumeIds().includes(volumeId));
    if (card && !this.isRestored) this.violated(echo, `${volumeId} is said to be detached, and runs on ${card.cardId}`);
  }

  #lookAtAccepted(): void {
    const { books } = this.#parts;
    for (const [changeId, volumeId] of this.accepted)
      if (!books.hasChange(changeId))
        this.violated(acknowledged, `${changeId} of ${volumeId} was accepted and is not known`);
    const name = this.requests.tooOften(books.changes);
    if (name !== null) this.violated(once, `${name} was changed more often than its client was told`);
  }

  /** What was put back may know snapshots that were deleted since. */
  #lookAtSnapshots(): void {
    const { books, world } = this.#parts;
    const held = this.isRestored ? [] : books.frozenLegs();
    const before = new Map(this.#frozen);
    this.#frozen.clear();
    for (const legId of held) {
      const writes = world.legs.get(legId)?.writes ?? null;
      this.#frozen.set(legId, writes);
      const was = before.get(legId) ?? writes;
      if (writes === null) this.violated(frozen, `${legId} of a snapshot is gone`);
      else if (was !== writes) this.violated(frozen, `${legId} of a snapshot had ${was} writes and has ${writes}`);
    }
  }

  #lookAtReservations(): void {
    if (this.isRestored) return;
    const { books, world, cards } = this.#parts;
    for (const what of [...unreserved(books, world, cards), ...reservedForNothing(books)])
      this.violated(reserved, what);
  }

  /** In the end, when everything has come to rest. */
  lookAtTheEnd(fleet: Fleet | null): void {
    const { books } = this.#parts;
    this.promises.look(books.changes);
    for (const what of fleet === null ? [] : miscounted(books, fleet)) this.violated(reserved, what);
  }
}

const oneWriter: Invariant = 'one writer: no writable leg serves two volumes or two holders';
const echo: Invariant = 'echo: applied is never ahead of what the data plane ran';
const reserved: Invariant = 'reservations: what is reserved is what is in use';
const acknowledged: Invariant = 'acknowledged: a request that was accepted is not forgotten';
const once: Invariant = 'once: a request is carried out at most once, and one that was refused is not carried out';
const completeness: Invariant = 'complete: every volume has one complete current stack';
const frozen: Invariant = 'frozen: a leg that a snapshot refers to is never written or deleted';
const absence: Invariant = 'absence: nothing is deleted without a tombstone';
