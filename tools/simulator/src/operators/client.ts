import { ProblemError, type Volume, changeStateSchema, volumePatchSchema, volumeSchema } from '@flexbso/contracts';
import { z } from 'zod';
import type { Books } from '../truth/books.js';
import type { Chance } from '../time/chance.js';
import type { Promises } from '../truth/promises.js';
import type { Requests } from '../truth/requests.js';
import type { Asker } from './asker.js';
import { attachmentOf, limitsOf, newVolume, patchOf } from './wishes.js';

const acceptedSchema = z.looseObject({
  volume: z.looseObject({ volumeId: z.string(), generation: z.int() }),
  change: z.looseObject({ changeId: z.string(), state: changeStateSchema }),
});

export interface ClientParts {
  readonly name: string;
  /** Of all clients' volumes: one that has a snapshot may be cloned. */
  readonly names: readonly string[];
  readonly asker: Asker;
  /** Asks for what concerns all tenants. */
  readonly fleetAsker: Asker;
  readonly chance: Chance;
  readonly books: Books;
  readonly requests: Requests;
  readonly promises: Promises;
  readonly poolIds: readonly string[];
  /** How often it leaves its volume at rest: only such a one is failed over when its card goes away. */
  readonly restOneIn: number;
  readonly cardIds: readonly string[];
  /** The scheduler has said that it will be done. */
  readonly onAccepted: (accepted: { volumeId: string; changeId: string }) => void;
}

const PAUSED = { leastMs: 500, mostMs: 8_000 };
/** As long as the change of a small volume takes. */
const CANCELLED_WITHIN_MS = 3_000;
/** Long enough for a card to go away meanwhile, and for inventory to say so. */
const REST = { leastMs: 10_000, mostMs: 40_000 };
const PAUSE = { leastMs: 50, mostMs: 4_000 };
/** A change waits for whatever is away: longer than the longest of that. */
const PATIENCE_MS = 60_000;

/** Refused while its card answers; after one that the new card could not carry out nobody has the volume. */
function failoverOneIn({ state }: Volume): number {
  return state === 'unreachable' ? 1 : state === 'needs-operator' ? 2 : 30;
}

/** Has one volume at a time, and always wants something else of it. */
export class Client {
  readonly #parts: ClientParts;
  #isStopping = false;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /** Ends what it is about and asks for nothing more. */
  stop(): void {
    this.#isStopping = true;
  }

  async run(): Promise<void> {
    const { asker, chance, restOneIn } = this.#parts;
    while (!this.#isStopping) {
      const { leastMs, mostMs } = chance.isOneIn(restOneIn) ? REST : PAUSE;
      await asker.process.clock.sleep(chance.int(leastMs, mostMs));
      if (this.#isStopping) return;
      try {
        await this.#once();
      } catch (error) {
        // A refusal is an answer: the next wish is another one.
        if (!(error instanceof ProblemError)) throw error;
      }
    }
  }

  async #once(): Promise<void> {
    const { name, chance, poolIds } = this.#parts;
    const volume = await this.#volume(name);
    if (volume === null) {
      const other = chance.isOneIn(2) ? await this.#volume(chance.pick(this.#parts.names)) : null;
      return this.#ask('create-volume', { spec: newVolume(chance, name, poolIds, other) });
    }
    const wish = { volume: volume.volumeId, basedOnGeneration: volume.generation };
    // Nothing else can be wanted of one that could not be made.
    if (volume.state === 'failed' && !chance.isOneIn(4)) return this.#ask('delete-volume', wish);
    const snapshot = volume.snapshots.length === 0 ? null : chance.pick(volume.snapshots).snapshotId;
    if (snapshot !== null && !volume.attached && chance.isOneIn(2))
      return this.#ask('rollback-volume', { ...wish, snapshot });
    // To be rolled back next.
    if (snapshot !== null && volume.attached && chance.isOneIn(4)) return this.#ask('detach-volume', wish);
    if (snapshot !== null && chance.isOneIn(3)) return this.#askAndAmend('delete-snapshot', { ...wish, snapshot });
    if (chance.isOneIn(6))
      return this.#askAndAmend('create-snapshot', { ...wish, spec: { name: `at-${volume.generation}` } });
    if (chance.isOneIn(12)) return this.#ask('delete-volume', wish);
    if (chance.isOneIn(failoverOneIn(volume))) return this.#ask('failover-volume', wish);
    if (chance.isOneIn(12)) return this.#pauseFor(chance.isOneIn(2) ? volume.cardId : null);
    const attachment = attachmentOf(chance, volume, this.#parts.cardIds);
    if (attachment) return this.#ask(attachment.verb, { ...wish, ...attachment.wish });
    return this.#askAndAmend('change-volume', { ...wish, patch: patchOf(chance, volume, poolIds) });
  }

  async #askAndAmend(verb: string, fields: Record<string, unknown>): Promise<void> {
    await Promise.all([this.#ask(verb, fields), ...(this.#parts.chance.isOneIn(4) ? [this.#amend()] : [])]);
  }

  /** Wants other limits, or something else altogether, while what it asked for is under way, if it is. */
  async #amend(): Promise<void> {
    const { asker, chance, name, poolIds } = this.#parts;
    await asker.process.clock.sleep(chance.int(PAUSE.leastMs, PAUSE.mostMs));
    const volume = await this.#volume(name);
    if (volume === null) return;
    const patch = chance.isOneIn(2) ? { qos: limitsOf(chance, volume) } : patchOf(chance, volume, poolIds);
    const wish = { volume: name, basedOnGeneration: volume.generation, patch };
    try {
      await this.#ask('change-volume', wish);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
  }

  /** The changes of a card, or of all, are held for a while. */
  async #pauseFor(cardId: string | null): Promise<void> {
    const { fleetAsker: asker, chance, promises } = this.#parts;
    await asker.read('pause', { cardId });
    promises.paused(cardId);
    await asker.process.clock.sleep(chance.int(PAUSED.leastMs, PAUSED.mostMs));
    promises.resumed(cardId);
    await asker.read('resume', { cardId });
    promises.resumed(cardId);
  }

  async #cancel(changeId: string): Promise<void> {
    const { asker, chance, books, promises } = this.#parts;
    await asker.process.clock.sleep(chance.int(0, CANCELLED_WITHIN_MS));
    const { lives } = books;
    await asker.write('cancel-change', { changeId });
    if (lives === books.lives) promises.cancelled(changeId);
  }

  async #volume(name: string): Promise<Volume | null> {
    try {
      return volumeSchema.parse(await this.#parts.asker.read('get-volume', { volume: name }));
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'not-found') return null;
      throw error;
    }
  }

  async #answered(verb: string, fields: Record<string, unknown>): Promise<unknown> {
    const { asker, name, requests } = this.#parts;
    requests.asked(name);
    try {
      const answer = await asker.write(verb, fields);
      requests.answered(name, true);
      return answer;
    } catch (error) {
      requests.answered(name, false);
      throw error;
    }
  }

  /** Most wait for the end of what they asked for; some ask for the next thing at once, and are refused or overtake it. */
  async #ask(verb: string, fields: Record<string, unknown>): Promise<void> {
    const { asker, chance, books, promises, onAccepted } = this.#parts;
    const { lives } = books;
    const { volume, change } = acceptedSchema.parse(await this.#answered(verb, fields));
    onAccepted({ volumeId: volume.volumeId, changeId: change.changeId });
    const { success, data: patch } = volumePatchSchema.safeParse(fields['patch']);
    if (success && lives === books.lives) promises.patched(change, `${volume.volumeId} ${volume.generation}`, patch);
    if (chance.isOneIn(6)) return;
    if (chance.isOneIn(8)) await this.#cancel(change.changeId);
    const waiting = new AbortController();
    const patience = asker.process.clock.sleep(PATIENCE_MS, waiting.signal);
    await Promise.race([books.whenEnded(change.changeId), patience]);
    waiting.abort('it is over');
  }
}
