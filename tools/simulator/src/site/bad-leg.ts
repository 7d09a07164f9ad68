import type { MemoryCard } from '@flexbso/dataplane-memory';
import type { Chance } from '../time/chance.js';

/** A leg of some redundant volume fails the guest's writes from now on. @returns which; null: no volume is redundant */
export function legGoesBad(cards: readonly MemoryCard[], chance: Chance): string | null {
  const legs = cards.flatMap((card) =>
    card.volumeIds().flatMap((volumeId) => {
      const { head, stacks } = card.observe(volumeId);
      const carrying = stacks.find(({ stackGeneration }) => stackGeneration === head?.stackGeneration)?.legs ?? [];
      return carrying.length < 2 ? [] : carrying.map(({ legId }) => ({ card, volumeId, legId }));
    }),
  );
  if (legs.length === 0) return null;
  const { card, volumeId, legId } = chance.pick(legs);
  card.legIsBad(volumeId, { legId, kind: 'write-failed', offsetBytes: 0, lengthBytes: 4096, isWrittenOver: false });
  return legId;
}
