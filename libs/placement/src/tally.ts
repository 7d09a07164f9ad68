import type { CardConstraint, Exclusion, PoolConstraint } from './request.js';

/** Enough ids to look at; a message is not a list of the fleet. */
const MAX_EXAMPLES = 3;

interface Count {
  readonly subject: Exclusion['subject'];
  excluded: number;
  readonly examples: string[];
}

/** Counts what excluded whom. */
export class Tally {
  readonly #counts = new Map<CardConstraint | PoolConstraint, Count>();

  card(constraint: CardConstraint, cardId: string): void {
    this.#add('card', constraint, cardId);
  }

  pool(constraint: PoolConstraint, poolId: string): void {
    this.#add('pool', constraint, poolId);
  }

  excludedBy(constraint: CardConstraint | PoolConstraint): number {
    return this.#counts.get(constraint)?.excluded ?? 0;
  }

  /** In falling order of how many each constraint excluded. */
  exclusions(cardCount: number, poolCount: number): Exclusion[] {
    return [...this.#counts]
      .map(([constraint, { subject, excluded, examples }]) => ({
        subject,
        constraint,
        excluded,
        of: subject === 'card' ? cardCount : poolCount,
        examples,
      }))
      .toSorted((left, right) => right.excluded - left.excluded);
  }

  #add(subject: Exclusion['subject'], constraint: CardConstraint | PoolConstraint, id: string): void {
    const count = this.#counts.get(constraint) ?? { subject, excluded: 0, examples: [] };
    count.excluded += 1;
    if (count.examples.length < MAX_EXAMPLES) count.examples.push(id);
    this.#counts.set(constraint, count);
  }
}
