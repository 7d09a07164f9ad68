import { beforeEach, describe, expect, it } from 'vitest';
import { legReport } from '../testing/fake-agents.js';
import { aCard, encrypted } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

const newKey = `X${'C'.repeat(55)}`;
/** As the cell's seal writes it. */
const sealedForNew = 'sealed-for-XCCC';
const access = (sealed: string) => ({ identity: 'card.leg.1', sealedKey: { from: 'XP', sealed } });
let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

async function anEncryptedVolume() {
  const volume = await cell.create({ stack: { layers: [...encrypted.layers] } });
  return { volume, card: cell.cardOf(volume), given: () => cell.cardOf(volume).items.get(volume.volumeId) };
}

describe('a card with another sealing key, to which an operator has consented', () => {
  it('is given its volume key sealed to it, under the operation that it has', async () => {
    const { card, given } = await anEncryptedVolume();
    const before = given();
    cell.scheduler.hearCardSnapshot(aCard(card.id, { sealingKey: newKey }));
    await cell.scheduler.idle();
    await cell.settle();
    expect(given()?.stack.encryptionKey?.sealedKey.sealed).toBe(sealedForNew);
    expect(given()?.operationId).toBe(before?.operationId);
    expect(given()?.revision).toBeGreaterThan(before?.revision ?? 0);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', generation: 1, settledGeneration: 1 });
    expect(cell.store.takeEvents().filter(({ what }) => what === 'resealed')).toHaveLength(1);
  });

  it('is told the keys of snapshots sealed to it too, that lie beside what it runs', async () => {
    const { volume, card, given } = await anEncryptedVolume();
    const { volumeId, generation: basedOnGeneration } = volume;
    const write = { ...cell.asked(), volume: volumeId, basedOnGeneration };
    await cell.scheduler.volumes.createSnapshot({ ...write, spec: { name: 'monday' } });
    await cell.settle();
    await cell.change({ stack: { layers: [] }, acknowledgeSnapshots: true });
    await cell.settle();
    cell.scheduler.hearCardSnapshot(aCard(card.id, { sealingKey: newKey }));
    await cell.scheduler.idle();
    await cell.settle();
    expect(given()?.kept?.stacks.map(({ encryptionKey }) => encryptionKey?.sealedKey.sealed)).toEqual([sealedForNew]);
  });

  it('is named to the pools of its legs, and learns what they have sealed again', async () => {
    for (const pool of cell.pools)
      pool.play = (item) => [{ ...legReport(item, 'ready'), access: access(item.holder.sealingKey) }];
    const { card, given } = await anEncryptedVolume();
    const pool = cell.pools.find(({ items }) => items.size > 0);
    const [before] = [...(pool?.items.values() ?? [])];
    cell.scheduler.hearCardSnapshot(aCard(card.id, { sealingKey: newKey }));
    await cell.scheduler.idle();
    await cell.settle();
    const [after] = [...(pool?.items.values() ?? [])];
    expect(after).toMatchObject({ operationId: before?.operationId, holder: { cardId: card.id, sealingKey: newKey } });
    expect(given()?.stack.legs[0]?.access?.sealedKey.sealed).toBe(newKey);
  });

  it('is found by a start of the scheduler, and changes nothing a second time', async () => {
    const { card, given } = await anEncryptedVolume();
    cell.showFleet = () => {
      cell.scheduler.hearCardSnapshot(aCard(card.id, { sealingKey: newKey }));
    };
    await cell.restart();
    await cell.scheduler.idle();
    await card.catchUp();
    expect(given()?.stack.encryptionKey?.sealedKey.sealed).toBe(sealedForNew);
    const { revision } = card;
    cell.scheduler.hearCardSnapshot(aCard(card.id, { sealingKey: newKey }));
    await cell.restart();
    await cell.scheduler.idle();
    await card.catchUp();
    expect(card.revision).toBe(revision);
  });

  it('of other cards changes nothing', async () => {
    const { card } = await anEncryptedVolume();
    const { revision } = card;
    const other = cell.cards.find(({ id }) => id !== card.id);
    cell.scheduler.hearCardSnapshot(aCard(other?.id ?? '', { sealingKey: newKey }));
    await cell.scheduler.idle();
    await card.catchUp();
    expect([card.revision, cell.warned]).toEqual([revision, []]);
  });
});
