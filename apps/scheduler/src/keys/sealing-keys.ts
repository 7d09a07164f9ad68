import { draftOf } from '../changes/draft.js';
import type { Decisions } from '../decisions.js';
import { readAggregate } from '../store/commit.js';
import { isSealedToAnother, resealTo } from './reseal.js';

/**
 * Keeps what is sealed to cards sealed to the key that each has, as inventory publishes it: which is the one that a
 * card first came with, until an operator has released it with another.
 */
export class SealingKeys {
  readonly #decisions: Decisions;
  /** By card: the key to which all that it holds was found sealed. */
  readonly #known = new Map<string, string>();

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /**
   * Looks at a card whose key may be another now; costs nothing when it is not.
   * @throws what the store or the vault throws; the next look tries again
   */
  async review(cardId: string): Promise<void> {
    const sealingKey = this.#keyOf(cardId);
    if (sealingKey === undefined || this.#known.get(cardId) === sealingKey) return;
    this.#known.set(cardId, sealingKey);
    try {
      // What was decided with the key of before is committed then, and found.
      await this.#decisions.idle();
      const volumeIds = [...(this.#decisions.ports.fleet.card(cardId)?.use.volumes.keys() ?? [])];
      for (const volumeId of volumeIds) await this.#reviewVolume(volumeId, cardId);
    } catch (error) {
      this.#known.delete(cardId);
      throw error;
    }
  }

  /** What was found is no longer so: the database was restored. */
  forget(): void {
    this.#known.clear();
  }

  #keyOf(cardId: string): string | undefined {
    return this.#decisions.ports.fleet.card(cardId)?.snapshot.sealingKey;
  }

  async #reviewVolume(volumeId: string, cardId: string): Promise<void> {
    const { store, vault } = this.#decisions.ports;
    // Most are sealed as they should be: they are looked at beside the decisions, not in their queue.
    const present = await store.read((reader) => readAggregate(reader, volumeId));
    if (present?.volume.cardId !== cardId || !isSealedToAnother(present, this.#keyOf(cardId))) return;
    await this.#decisions.run(async (decision) => {
      const before = await decision.read(volumeId);
      // As it is now: two changes of a key one after the other are two reviews, and the older must not win.
      const sealingKey = this.#keyOf(cardId);
      // It may have been failed over meanwhile: what it has is sealed for another card then.
      if (before?.volume.cardId !== cardId || sealingKey === undefined || !isSealedToAnother(before, sealingKey))
        return;
      const draft = draftOf(before);
      resealTo(draft, sealingKey, vault);
      await decision.write(before, draft, { by: 'scheduler', judged: false });
    });
  }
}
