import { type Aggregate, draftOf } from './draft.js';
import { advance } from './saga.js';
import type { Decisions } from '../decisions.js';

/** Looks again at changes that are under way, one decision each, and makes every move that is due. */
export async function reviewChanges(
  decisions: Decisions,
  isWanted: (aggregate: Aggregate) => boolean = () => true,
): Promise<void> {
  const open = await decisions.ports.store.read((reader) => reader.openChanges());
  for (const { volumeId } of open) {
    await decisions.run(async (decision) => {
      const before = await decision.read(volumeId);
      if (!before || !isWanted(before)) return;
      const draft = draftOf(before);
      advance(draft, decision.deciding);
      await decision.write(before, draft, { by: 'scheduler', judged: false });
    });
  }
}
