import type { Volume } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { differencesOfBooks } from '../placement/books.js';
import { cardReport, failWith, succeed } from '../testing/fake-agents.js';
import { operator } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

let cell: MemoryCell;
let made: Volume;
beforeEach(async () => {
  cell = await MemoryCell.start();
  made = await cell.create({ placement: { cardId: 'card-1' } });
});

const card = (id = 'card-1') => cell.cardOf({ cardId: id });

async function detached(): Promise<void> {
  await cell.detach();
  await cell.settle();
}

async function nothingDiffers(): Promise<void> {
  expect(differencesOfBooks(cell.fleet, await cell.store.read((from) => from.reservations()))).toEqual([]);
  const { differences } = await cell.scheduler.checks.run({ caller: { ...operator, tenantId: null } });
  expect(differences).toEqual([]);
}

function waitsForItsGuest(): void {
  card().play = (item) =>
    item.tombstone && !item.cancelled
      ? [{ ...cardReport(item, 'working'), waitingFor: 'another attempt: a guest is attached' }]
      : item.tombstone
        ? failWith({ code: 'cancelled', detail: 'it was cancelled before its cut-over' })(item)
        : succeed(item);
}

describe('a detachment', () => {
  it('that waits for a guest can be cancelled, and the volume is attached as it was', async () => {
    waitsForItsGuest();
    const { change } = await cell.detach();
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).waitingFor).toContain('a guest is attached');
    await cell.cancel(change.changeId);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', cancel: { outcome: 'undone' } });
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', attached: true, functionId: made.functionId });
    await nothingDiffers();
  });

  it('that its card had carried out by then says that the cancel came too late', async () => {
    card().play = () => [];
    const { change } = await cell.detach();
    await cell.settle();
    await cell.cancel(change.changeId);
    card().play = succeed;
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'settled',
      cancel: { outcome: 'cut-over-passed' },
    });
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached' });
    await nothingDiffers();
  });
});

describe('a card that goes away in the middle', () => {
  it('of a detachment loses the volume to another, and says later that it closed what it had', async () => {
    card().play = () => [];
    const { change } = await cell.detach();
    await cell.settle();
    cell.loseCard('card-1');
    await cell.failover();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone' });
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', attached: true, cardId: 'card-2' });
    card().play = succeed;
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ formerCards: [] });
    await nothingDiffers();
  });

  it('of an attachment loses it as well', async () => {
    await detached();
    card('card-2').play = () => [];
    await cell.attach({ cardId: 'card-2' });
    await cell.settle();
    cell.loseCard('card-2');
    await cell.failover('card-1');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-1', legs: [{ epoch: 3 }] });
    card('card-2').play = succeed;
    cell.cardReturns('card-2');
    await cell.settle();
    await nothingDiffers();
  });
});
