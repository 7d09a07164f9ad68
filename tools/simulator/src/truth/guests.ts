import type { MemoryCard } from '@flexbso/dataplane-memory';
import { DataPlaneError } from '@flexbso/dataplane-port';

/** The guests of all volumes: they write whenever they can, and remember what was acknowledged. */
export class Guests {
  readonly #last = new Map<string, number>();
  /** Rolled back, and not read since. */
  readonly #rolledBack = new Set<string>();

  /** Each writes once to every volume that is served. @returns what a guest read back that it had not written last */
  write(cards: readonly MemoryCard[]): string[] {
    return cards.flatMap((card) => card.volumeIds().flatMap((volumeId) => this.#writeOne(card, volumeId)));
  }

  /** The newest write that was acknowledged; 0: none. */
  lastWrite(volumeId: string): number {
    return this.#last.get(volumeId) ?? 0;
  }

  /** The volume holds what it held at this write, and nothing that was written since. */
  rolledBack(volumeId: string, write: number): void {
    this.#last.set(volumeId, write);
    this.#rolledBack.add(volumeId);
  }

  /** Those that were ever served. */
  volumeIds(): string[] {
    return [...this.#last.keys()];
  }

  #writeOne(card: MemoryCard, volumeId: string): string[] {
    try {
      const read = card.guestReads(volumeId);
      const last = this.lastWrite(volumeId);
      if (read > last && this.#rolledBack.has(volumeId))
        return [`the guest of ${volumeId} on ${card.cardId} reads ${read}, and it was rolled back to ${last}`];
      this.#rolledBack.delete(volumeId);
      if (read < last) return [`the guest of ${volumeId} on ${card.cardId} reads ${read} and had written ${last}`];
      this.#last.set(volumeId, card.guestWrites(volumeId));
      return [];
    } catch (error) {
      // Not served, or its legs are away: the guest waits.
      if (error instanceof DataPlaneError) return [];
      throw error;
    }
  }
}
