import { CARRIED_WRITES, CardFixture, VOLUME_ID } from './card-fixture.js';
import type { Changed } from './changes.js';

export interface Prepared {
  readonly card: CardFixture;
  /** The newest write of the guest, on whatever the volume stands on. */
  readonly written: number;
  /** What the legs of the snapshots that are to stay hold: the same for ever. */
  readonly frozen: ReadonlyMap<string, number>;
}

/** A card with the volume before the change, of which no agent runs. */
export async function prepared(
  { before, change }: Omit<Changed, 'name'>,
  card: CardFixture = new CardFixture(),
): Promise<Prepared> {
  const agent = await card.start();
  let written = change.carried || change.upon ? CARRIED_WRITES : 0;
  for (const wish of before) {
    await card.settle(wish);
    written = card.card.guestWrites(VOLUME_ID);
  }
  await agent.stop();
  const [target, ...others] = card.wanted?.bases ?? [];
  const kept = change.writeBack || !target ? others : [target, ...others];
  return {
    card,
    written,
    frozen: writesOn(
      card,
      kept.flatMap(({ legs }) => legs.map(({ legId }) => legId)),
    ),
  };
}

export function writesOn(card: CardFixture, legIds: Iterable<string>): Map<string, number> {
  return new Map([...legIds].map((legId) => [legId, card.world.leg(legId).writes]));
}
