import { ProblemError, type Volume } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { differencesOfBooks } from '../placement/books.js';
import { cardReport, failWith, succeed } from '../testing/fake-agents.js';
import { aCard, aPool, encrypted, operator, reader } from '../testing/fixtures.js';
import { MemoryCell } from '../testing/memory-cell.js';

let cell: MemoryCell;
let made: Volume;
beforeEach(async () => {
  cell = await MemoryCell.start();
  made = await cell.create({ placement: { cardId: 'card-1' } });
});

const card = (id = 'card-1') => cell.cardOf({ cardId: id });
const reservations = () => cell.store.read((from) => from.reservations());
const booksDiffer = async () => differencesOfBooks(cell.fleet, await reservations());
const useOf = (cardId = 'card-1') => cell.fleet.card(cardId)?.use;
const check = async () => (await cell.scheduler.checks.run({ caller: { ...operator, tenantId: null } })).differences;
const kindsOf = ({ change }: Awaited<ReturnType<MemoryCell['attach']>>) =>
  change.plan.steps.map(({ step }) => step.kind);

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof ProblemError ? `${error.code}: ${error.problem.detail}` : 'not refused';
}

async function detached(name = 'vol-a'): Promise<Volume> {
  await cell.detach(name);
  await cell.settle();
  return cell.volumeNow(name);
}

async function attached(wish: Parameters<MemoryCell['attach']>[0] = {}, name = 'vol-a'): Promise<Volume> {
  await cell.attach(wish, name);
  await cell.settle();
  return cell.volumeNow(name);
}

async function nothingDiffers(): Promise<void> {
  expect(await booksDiffer()).toEqual([]);
  expect(await check()).toEqual([]);
}

describe('a volume that is detached', () => {
  it('keeps its legs as they are, and gives back its function and what it held of its card', async () => {
    const asked = await cell.detach();
    expect(kindsOf(asked)).toEqual(['unexport-volume', 'stop-data-plane']);
    expect(asked.change.plan).toMatchObject({ destroys: [], guestFeels: expect.stringContaining('goes away') });
    expect(asked.volume).toMatchObject({ state: 'changing', attached: false });
    await cell.settle();
    expect(await cell.changeNow(asked.change.changeId)).toMatchObject({ state: 'settled', kind: 'detach' });
    expect(await cell.volumeNow()).toMatchObject({
      state: 'detached',
      attached: false,
      uri: null,
      cardId: 'card-1',
      legs: [{ legId: made.legs[0]?.legId, epoch: 1, state: 'ready', current: true }],
    });
    expect(useOf()).toMatchObject({ functionIds: new Map(), iops: 0, memoryBytes: 0 });
    expect((await reservations()).map(({ ownerRole }) => ownerRole)).toEqual(['pool']);
    expect(cell.pools.flatMap(({ items }) => [...items.values()]).map(({ tombstone }) => tombstone)).toEqual([false]);
    await nothingDiffers();
  });

  it('holds its function until its card has said that nothing of it is left there', async () => {
    card().play = () => [];
    const { change } = await cell.detach();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'applying',
      waitingFor: expect.stringContaining('card card-1'),
    });
    expect(useOf()?.functionIds).toEqual(new Map([[made.functionId, 1]]));
    await cell.restart();
    card().play = succeed;
    await card().goOn();
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached' });
    expect(useOf()?.functionIds).toEqual(new Map());
    await nothingDiffers();
  });

  it('may have its function taken by another, and is then shown on one that is free', async () => {
    await detached();
    await cell.create({ name: 'vol-b', placement: { cardId: 'card-1' } });
    await cell.attach({ functionId: 'vf-7' }, 'vol-b');
    await cell.settle();
    await cell.attach({ functionId: made.functionId }, 'vol-b');
    await cell.settle();
    const again = await attached();
    expect(again).toMatchObject({ state: 'ready', attached: true });
    expect(again.functionId).not.toBe(made.functionId);
    await nothingDiffers();
  });

  it('is shown again where it was, by the stack as it is', async () => {
    const { generation } = await detached();
    const asked = await cell.attach();
    expect(kindsOf(asked)).toEqual(['start-data-plane', 'open-leg', 'build-head', 'export-volume']);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      attached: true,
      cardId: 'card-1',
      functionId: made.functionId,
      generation: generation + 1,
      settledGeneration: generation + 1,
      legs: [{ epoch: 1 }],
    });
    expect(card().items.get(made.volumeId)).toMatchObject({ tombstone: false, carriedStackGeneration: 1 });
    await nothingDiffers();
  });

  it('is shown on another card once its legs are fenced, with its key sealed for that card', async () => {
    const secret = await cell.create({
      name: 'vol-s',
      stack: { layers: [...encrypted.layers] },
      placement: { cardId: 'card-1' },
    });
    await detached('vol-s');
    const asked = await cell.attach({ cardId: 'card-2' }, 'vol-s');
    expect(kindsOf(asked).slice(0, 2)).toEqual(['fence-leg', 'serve-leg']);
    expect(kindsOf(asked)).not.toContain('format-encryption');
    await cell.settle();
    expect(await cell.volumeNow('vol-s')).toMatchObject({
      state: 'ready',
      cardId: 'card-2',
      placement: { cardId: 'card-2' },
      formerCards: [],
      legs: [{ epoch: 2 }],
    });
    const given = card('card-2').items.get(secret.volumeId);
    expect(given?.stack.encryptionKey?.keyRef).toBe(secret.keyRef);
    await nothingDiffers();
  });

  it('takes labels and limits, which are in force when it is attached, and nothing that a card has to do', async () => {
    await detached();
    const { change } = await cell.change({ qos: { iopsTotal: 500 }, labels: { tier: 'gold' } });
    expect(change).toMatchObject({ state: 'settled', plan: { steps: [] } });
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', qos: { iopsTotal: 500 } });
    await nothingDiffers();
    for (const patch of [
      { sizeBytes: made.sizeBytes * 2 },
      { stack: { layers: [...encrypted.layers] } },
      { placement: { poolIds: ['pool-3'] } },
    ])
      expect(await refusal(cell.change(patch))).toContain('volume-detached: volume vol-a is detached');
    await attached();
    expect(card().items.get(made.volumeId)).toMatchObject({ qos: { iopsTotal: 500 } });
    await nothingDiffers();
  });

  it('is deleted by its pools alone', async () => {
    const { generation } = await detached();
    const asked = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation };
    const { change } = await cell.scheduler.volumes.delete(asked);
    expect(change.plan.steps.map(({ actor }) => actor.role)).toEqual(['pool', 'pool']);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    expect(await reservations()).toEqual([]);
    await nothingDiffers();
  });

  it('is neither detached nor attached twice: what is so already is settled at once', async () => {
    const { generation } = await detached();
    expect(await cell.detach()).toMatchObject({ change: { state: 'settled' }, volume: { generation } });
    const again = await attached();
    expect(await cell.attach()).toMatchObject({
      change: { state: 'settled' },
      volume: { generation: again.generation, functionId: made.functionId },
    });
    await nothingDiffers();
  });

  it('is not failed over, since no card carries it', async () => {
    await detached();
    cell.loseCard('card-1');
    expect(await refusal(cell.failover())).toContain('volume-detached');
    expect(await attached({ cardId: 'card-2' })).toMatchObject({ state: 'ready', cardId: 'card-2' });
  });

  it('is known as detached to whoever compares, also when its card has something of it after all', async () => {
    const before = card().items.get(made.volumeId);
    await detached();
    if (before) card().items.set(made.volumeId, before);
    expect(await check()).toEqual([{ where: 'card card-1', id: made.volumeId, what: 'it runs here and is detached' }]);
  });

  it('stays detached however often its card says that it is gone', async () => {
    await detached();
    const given = card().items.get(made.volumeId);
    if (!given) throw new Error('the card was given nothing');
    expect(await card().say(cardReport(given, 'gone'))).toMatchObject({ staleOperationIds: [] });
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached' });
  });
});

describe('an attached volume', () => {
  it('moves to another function in one change, and holds both until its card has moved it', async () => {
    const slow = card();
    slow.play = () => [];
    const asked = await cell.attach({ functionId: 'vf-7' });
    expect(kindsOf(asked)).toEqual(['unexport-volume', 'export-volume']);
    expect(asked.change).toMatchObject({
      kind: 'attach',
      differences: ['function'],
      plan: { guestFeels: expect.stringContaining('appears as a new one on function vf-7') },
    });
    await cell.settle();
    expect(useOf()?.functionIds).toEqual(
      new Map([
        [made.functionId, 1],
        ['vf-7', 1],
      ]),
    );
    slow.play = succeed;
    await slow.goOn();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', functionId: 'vf-7', attached: true });
    expect(useOf()?.functionIds).toEqual(new Map([['vf-7', 1]]));
    await nothingDiffers();
  });

  it('stays on its function when its card cannot move it', async () => {
    card().play = failWith({ code: 'data-plane-failed', detail: 'a guest is attached' });
    const { change } = await cell.attach({ functionId: 'vf-7' });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'undone',
      problem: { detail: 'a guest is attached' },
    });
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', functionId: made.functionId });
    expect(card().items.get(made.volumeId)?.export.functionId).toBe(made.functionId);
    expect(useOf()?.functionIds).toEqual(new Map([[made.functionId, 1]]));
    await nothingDiffers();
  });

  it('goes to no other card before it is detached, and to no function that is taken, unknown or of another kind', async () => {
    const other = await cell.create({ name: 'vol-b', placement: { cardId: 'card-1' } });
    expect(await refusal(cell.attach({ cardId: 'card-2' }))).toContain('detach it first');
    expect(await refusal(cell.attach({ functionId: other.functionId }))).toContain('it is taken');
    expect(await refusal(cell.attach({ functionId: 'vf-99' }))).toContain('no such function');
    const functions = [{ functionId: 'vf-7', kind: 'vf' as const, protocols: ['nvme' as const] }];
    cell.scheduler.hearCardSnapshot({ ...aCard('card-1'), functions });
    expect(await refusal(cell.attach({ functionId: 'vf-7' }))).toContain('it speaks nvme, and not');
    expect(await booksDiffer()).toEqual([]);
  });
});

describe('an attachment', () => {
  it('leaves the volume detached when its card cannot carry it, and may be tried again', async () => {
    await detached();
    const { play } = card('card-2');
    card('card-2').play = failWith({ code: 'step-failed', detail: 'the disk is on fire' });
    const { change } = await cell.attach({ cardId: 'card-2' });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone' });
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', attached: false, legs: [{ epoch: 2 }] });
    expect(useOf('card-2')?.functionIds).toEqual(new Map());
    await nothingDiffers();
    card('card-2').play = play;
    expect(await attached({ cardId: 'card-1' })).toMatchObject({ state: 'ready', legs: [{ epoch: 3 }] });
    await nothingDiffers();
  });

  it('can be cancelled while its legs are not yet served, and the volume is detached again', async () => {
    await detached();
    const pool = cell.pools.find(({ items }) => items.size > 0);
    if (pool) pool.isAway = true;
    const { change } = await cell.attach({ cardId: 'card-2' });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'preparing',
      waitingFor: `pool ${pool?.id} to serve ${made.legs[0]?.legId}`,
    });
    await cell.cancel(change.changeId);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone', cancel: { outcome: 'undone' } });
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached' });
    if (pool) pool.isAway = false;
    expect(await attached()).toMatchObject({ state: 'ready', cardId: 'card-2', legs: [{ epoch: 2 }] });
    await nothingDiffers();
  });

  it('that was paused before any pool heard of it, and cancelled, can be asked for again', async () => {
    await detached();
    await cell.pause(null);
    const { change } = await cell.attach({ cardId: 'card-2' });
    await cell.cancel(change.changeId);
    await cell.resume(null);
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached' });
    expect(await attached({ cardId: 'card-1' })).toMatchObject({ state: 'ready', cardId: 'card-1' });
    await nothingDiffers();
  });

  it('shows in a dry run the very plan that is carried out, and changes nothing', async () => {
    const asked = { ...reader, volume: 'vol-a' };
    const plan = await cell.scheduler.volumes.planDetach({ ...asked, basedOnGeneration: 1 });
    expect((await cell.detach()).change.plan.digest).toBe(plan.digest);
    await cell.settle();
    const back = await cell.scheduler.volumes.planAttach({ ...asked, basedOnGeneration: 2, cardId: 'card-2' });
    expect(back.reservations.map(({ owner }) => owner.role)).toEqual(['card', 'pool']);
    expect(await booksDiffer()).toEqual([]);
    expect(await cell.volumeNow()).toMatchObject({ state: 'detached', cardId: 'card-1', generation: 2 });
    expect((await cell.attach({ cardId: 'card-2' })).change.plan.digest).toBe(back.digest);
  });

  it('is refused on another card where a leg is a file in the host of the one that it was on', async () => {
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
    const local = await cell.create({ name: 'vol-l', placement: { cardId: 'card-1', poolIds: ['pool-1'] } });
    await detached('vol-l');
    const said = await refusal(cell.attach({ cardId: 'card-2' }, 'vol-l'));
    expect(said).toContain(
      `change-refused: ${local.legs[0]?.legId} is a file on pool pool-1, in the host of card card-1`,
    );
    expect(await attached({}, 'vol-l')).toMatchObject({ state: 'ready', cardId: 'card-1' });
  });

  it('goes on when the scheduler dies at any moment of it', async () => {
    await detached();
    const { change } = await cell.attach({ cardId: 'card-2' });
    for (const agent of [...cell.pools, card('card-2')]) {
      await cell.restart();
      await agent.catchUp();
    }
    await cell.restart();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    await nothingDiffers();
  });
});
