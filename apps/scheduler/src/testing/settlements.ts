import type { Caller, Divergence, Settled } from '@flexbso/contracts';
import type { MemoryCell } from './memory-cell.js';

export const admin: Caller = { name: 'root', role: 'admin', tenantId: null };

/** What an operator asks of a scheduler that goes back to a backup, each followed until nothing is left to do. */
export function settlementsOf(cell: () => MemoryCell) {
  let asked = 0;
  const ask = () => ({ v: 1 as const, caller: admin, idempotencyKey: `settle-${(asked += 1)}` });
  const settled = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    const answered = await answer;
    await cell().settle();
    return answered;
  };
  return {
    ask,
    backUp: () => cell().scheduler.backups.create({ ...ask(), name: 'before' }),
    restore: () => settled(cell().scheduler.backups.restore({ ...ask(), name: 'before' })),
    differences: (): Promise<Divergence> => cell().scheduler.settlements.list({ v: 1, caller: admin }),
    adopt: (id: string, name?: string): Promise<Settled> =>
      settled(
        cell().scheduler.settlements.adopt({ ...ask(), id, tenantId: 'acme', ...(name === undefined ? {} : { name }) }),
      ),
    end: (id: string): Promise<Settled> => settled(cell().scheduler.settlements.delete({ ...ask(), id })),
    check: () => cell().scheduler.checks.run({ caller: admin }),
    /** The operations of all that lives: what an agent does under the same one is what it did. */
    living: (): string[] =>
      [...cell().cards, ...cell().pools]
        .flatMap(({ items }) => [...items.values()])
        .filter((item) => !item.tombstone)
        .map(({ operationId }) => operationId)
        .toSorted(),
  };
}
