import type { Decisions } from '../decisions.js';
import { overdueOf } from './overdue.js';
import { reviewChanges } from './review.js';

/** Finds the changes whose step outlives its limit, which no report tells of. */
export class WaitWatch {
  readonly #decisions: Decisions;
  #overdue = 0;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  /** How many were overdue at the last look. */
  get overdue(): number {
    return this.#overdue;
  }

  /** Flags what is overdue by now, with an event for each. To be called every few seconds. */
  async look(): Promise<void> {
    const { clock, store } = this.#decisions.ports;
    const nowMs = clock.nowMs();
    const open = await store.read((reader) => reader.openChanges());
    const late = open.filter((change) => overdueOf(change, nowMs) !== null);
    this.#overdue = late.length;
    const unsaid = new Set(late.flatMap(({ overdue, changeId }) => (overdue === null ? [changeId] : [])));
    if (unsaid.size > 0) await reviewChanges(this.#decisions, ({ change }) => unsaid.has(change.changeId));
  }
}
