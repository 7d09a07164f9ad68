import { ProblemError } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { differencesOfBooks } from '../placement/books.js';
import { operator } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

const cardIds = ['card-1', 'card-2'] as const;
const actions = [
  'failover',
  'change',
  'restart',
  'repeat',
  ...cardIds.flatMap((id) => [`lose ${id}`, `return ${id}`, `hear ${id}`] as const),
  'hear pool-1',
  'hear pool-2',
  'hear pool-3',
] as const;
type Action = (typeof actions)[number];

/** A cell with a mirrored volume, in which anything may happen at any moment. */
class Trouble {
  readonly cell: MemoryCell;
  readonly #lost = new Set<string>();
  #limit = 100;

  private constructor(cell: MemoryCell) {
    this.cell = cell;
  }

  static async begin(): Promise<Trouble> {
    const cell = await MemoryCell.start();
    await cell.create({
      stack: { layers: [{ kind: 'raid1', legCount: 3, safeRead: false }] },
      placement: { cardId: 'card-1' },
    });
    return new Trouble(cell);
  }

  /** A refusal is an answer like another. */
  async happens(action: Action): Promise<void> {
    try {
      await this.#do(action);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
  }

  async end(): Promise<void> {
    for (const id of cardIds) this.#return(id);
    await this.cell.settle();
  }

  async #do(action: Action): Promise<void> {
    const { cell } = this;
    const [what, id = ''] = action.split(' ');
    if (what === 'failover') await cell.failover();
    if (what === 'change') await cell.change({ qos: { iopsTotal: (this.#limit += 1) } });
    if (what === 'restart') await this.#restart();
    if (what === 'repeat') await this.#repeat();
    if (what === 'lose') this.#lose(id);
    if (what === 'return') this.#return(id);
    if (what === 'hear') await [...cell.cards, ...cell.pools].find((agent) => agent.id === id)?.catchUp();
  }

  #lose(id: string): void {
    this.#lost.add(id);
    this.cell.loseCard(id);
  }

  #return(id: string): void {
    this.#lost.delete(id);
    this.cell.cardReturns(id);
  }

  async #restart(): Promise<void> {
    await this.cell.restart();
    for (const id of this.#lost) this.cell.loseCard(id);
  }

  /** Every report that was ever made comes once more. */
  async #repeat(): Promise<void> {
    for (const card of this.cell.cards) for (const report of card.reports.slice()) await card.say(report);
    for (const pool of this.cell.pools) for (const report of pool.reports.slice()) await pool.say(report);
  }
}

/** What any card is to open that a pool has not fenced from all others: there must be none at any moment. */
async function unfenced({ store, pools }: MemoryCell): Promise<string[]> {
  const entries = await store.read(async (from) =>
    Promise.all(
      cardIds.map(async (cardId) => (await from.desired('card', cardId, 0)).map((entry) => ({ cardId, entry }))),
    ),
  );
  return entries.flat().flatMap(({ cardId, entry }) => {
    if (entry.role !== 'card' || entry.item.tombstone) return [];
    return entry.item.stack.legs.flatMap(({ legId, poolId, epoch }) => {
      const atPool = pools.find(({ id }) => id === poolId)?.items.get(legId);
      const isNewer = atPool !== undefined && atPool.epoch > epoch;
      const isIts = atPool?.epoch === epoch && atPool.holder.cardId === cardId;
      return isNewer || isIts
        ? []
        : [`${cardId} is given ${legId} at epoch ${epoch}, which ${poolId} does not serve it`];
    });
  });
}

async function booksDiffer({ store, fleet }: MemoryCell): Promise<string[]> {
  return differencesOfBooks(fleet, await store.read((from) => from.reservations()));
}

/** Half of them begin in the middle of a failover, where most can go wrong. */
const happeningsArbitrary = fc
  .tuple(fc.boolean(), fc.array(fc.constantFrom(...actions), { maxLength: 40 }))
  .map(([isUnderWay, rest]): Action[] => [...(isUnderWay ? (['lose card-1', 'failover'] as const) : []), ...rest]);

it('no card is ever given a leg that is not fenced from all others, whatever happens in which order', async () => {
  await fc.assert(
    fc.asyncProperty(happeningsArbitrary, async (happenings) => {
      const trouble = await Trouble.begin();
      const { cell } = trouble;
      for (const action of happenings) {
        await trouble.happens(action);
        expect(await unfenced(cell)).toEqual([]);
        expect(await booksDiffer(cell)).toEqual([]);
      }
      await trouble.end();
      expect(await unfenced(cell)).toEqual([]);
      expect(await cell.volumeNow()).toMatchObject({ state: 'ready', formerCards: [] });
      const { differences, underWay } = await cell.scheduler.checks.run({ caller: { ...operator, tenantId: null } });
      expect({ differences, underWay }).toEqual({ differences: [], underWay: 0 });
    }),
    // Each runs some hundred decisions; the space of orders is explored over many runs of the suite.
    { numRuns: 60 },
  );
});
