import { expect } from 'vitest';
import type { MemoryCell } from './memory-cell.js';

/** Legs in the database, reservations and the pools' entries are the same set; one stack, and its key at most. */
export async function expectNothingLeft(cell: MemoryCell): Promise<void> {
  await cell.store.read(async (reader) => {
    const [volume] = await reader.volumes(null, null, 10);
    // What is remembered outside of the database follows it exactly: else a copy would not be told from the original.
    expect((await reader.agents()).reduce((sum, { revision }) => sum + revision, 0)).toBe(cell.revisions);
    const legs = volume ? await reader.legsOf(volume.volumeId) : [];
    const entries = (await Promise.all(cell.pools.map(({ id }) => reader.desired('pool', id, 0)))).flat();
    expect(entries.map(({ itemId }) => itemId).toSorted()).toEqual(legs.map(({ legId }) => legId).toSorted());
    expect(entries.some(({ item }) => item.tombstone)).toBe(false);
    const reserved = (await reader.reservations()).filter(({ ownerRole }) => ownerRole === 'pool');
    expect(reserved.map(({ reservationId }) => reservationId).toSorted()).toEqual(
      legs.map(({ legId }) => legId).toSorted(),
    );
    if (!volume || volume.state === 'failed') return;
    expect(volume).toMatchObject({
      state: volume.want.detached ? 'detached' : 'ready',
      appliedGeneration: volume.generation,
      settledGeneration: volume.generation,
    });
    // On the card that carries it, on its function; of a detached one nothing on any.
    const places = volume.want.detached ? [] : [`${volume.cardId} ${volume.functionId}`];
    const onCards = (await reader.reservations()).filter(({ ownerRole }) => ownerRole === 'card');
    expect(onCards.map(({ ownerId, functionId }) => `${ownerId} ${functionId}`)).toEqual(places);
    const given = (await Promise.all(cell.cards.map(({ id }) => reader.desired('card', id, 0)))).flat();
    expect(given.map(({ item }) => item.tombstone)).toEqual(places.map(() => false));
    expect(new Set(legs.map(({ stackGeneration }) => stackGeneration))).toEqual(new Set([volume.want.stackGeneration]));
    expect((await reader.keysOf(volume.volumeId)).map(({ keyRef }) => keyRef)).toEqual(
      volume.want.keyRef === null ? [] : [volume.want.keyRef],
    );
  });
}
