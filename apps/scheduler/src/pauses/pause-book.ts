import type { Pause } from '@flexbso/contracts';

/** What is paused, in memory. Immutable: a decision sees it as it was when the decision began. */
export class PauseBook {
  readonly #fleet: Pause | null;
  readonly #cards: ReadonlyMap<string, Pause>;

  constructor(pauses: readonly Pause[]) {
    this.#fleet = pauses.find(({ cardId }) => cardId === null) ?? null;
    this.#cards = new Map(pauses.flatMap((pause) => (pause.cardId === null ? [] : [[pause.cardId, pause]])));
  }

  /** What holds a card's changes: the fleet's pause before its own; null: nothing does. */
  of(cardId: string): Pause | null {
    return this.#fleet ?? this.#cards.get(cardId) ?? null;
  }

  /** The one that was set for exactly this. */
  at(cardId: string | null): Pause | null {
    return cardId === null ? this.#fleet : (this.#cards.get(cardId) ?? null);
  }

  /** The fleet's first, then cards' by id. */
  get all(): Pause[] {
    const cards = [...this.#cards].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, pause]) => pause);
    return this.#fleet === null ? cards : [this.#fleet, ...cards];
  }

  with(pause: Pause): PauseBook {
    return new PauseBook([...this.without(pause.cardId).all, pause]);
  }

  without(cardId: string | null): PauseBook {
    return new PauseBook(this.all.filter((pause) => pause.cardId !== cardId));
  }
}
