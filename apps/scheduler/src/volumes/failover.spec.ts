import { ProblemError, type Volume } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { differencesOfBooks } from '../placement/books.js';
import { cardReport, failWith, legReport, succeed } from '../testing/fake-agents.js';
import { aPool, encrypted, operator, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
let made: Volume;
beforeEach(async () => {
  cell = await MemoryCell.start();
  made = await cell.create({ placement: { cardId: 'card-1' } });
});

const reservations = () => cell.store.read((from) => from.reservations());
const booksDiffer = async () => differencesOfBooks(cell.fleet, await reservations());
const givenTo = (cardId: string) => cell.cardOf({ cardId }).items.get(made.volumeId);
const check = () => cell.scheduler.checks.run({ caller: { ...operator, tenantId: null } });
const other = () => cell.cardOf({ cardId: 'card-2' });
const legPool = () => cell.pools.find(({ items }) => items.size > 0);

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof ProblemError ? `${error.code}: ${error.problem.detail}` : 'not refused';
}

describe('a volume whose card is away', () => {
  beforeEach(() => cell.loseCard('card-1'));

  it('is carried by another card once its legs are fenced, with nothing formatted', async () => {
    const { change, volume } = await cell.failover();
    expect(volume).toMatchObject({ cardId: 'card-2', generation: 2, state: 'changing', uri: null });
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual([
      'fence-leg',
      'serve-leg',
      'start-data-plane',
      'open-leg',
      'build-head',
      'export-volume',
    ]);
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', kind: 'failover' });
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      cardId: 'card-2',
      generation: 2,
      settledGeneration: 2,
      legs: [{ epoch: 2 }],
      placement: { cardId: 'card-2' },
    });
    expect(givenTo('card-2')).toMatchObject({ carriedStackGeneration: 1, stack: { stackGeneration: 1 } });
  });

  it('is given to nobody before every pool has said that the new epoch is served', async () => {
    const pool = legPool();
    if (pool) pool.play = (item) => [{ ...legReport(item, 'ready'), epoch: item.epoch - 1 }];
    const { change } = await cell.failover();
    await cell.settle();
    expect(givenTo('card-2')).toBeUndefined();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'preparing',
      waitingFor: `pool ${pool?.id} to fence ${made.legs[0]?.legId}`,
    });
    const item = pool?.items.get(made.legs[0]?.legId ?? '');
    if (item) await pool?.say(legReport(item, 'ready'));
    await cell.settle();
    expect(givenTo('card-2')?.stack.legs).toMatchObject([{ epoch: 2 }]);
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
  });

  it('goes on to be failed over when the scheduler dies at any moment of it', async () => {
    const { change } = await cell.failover();
    for (const agent of [...cell.pools, cell.cardOf({ cardId: 'card-2' })]) {
      await cell.restart();
      cell.loseCard('card-1');
      await agent.catchUp();
    }
    await cell.restart();
    cell.loseCard('card-1');
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    expect(await booksDiffer()).toEqual([]);
  });

  it('keeps its old function taken until the old card has closed what it had', async () => {
    await cell.failover();
    await cell.settle();
    expect((await cell.volumeNow()).formerCards).toMatchObject([{ cardId: 'card-1', functionId: made.functionId }]);
    expect(cell.fleet.card('card-1')?.use.functionIds).toEqual(new Map([[made.functionId, 1]]));
    expect(await booksDiffer()).toEqual([]);
    expect((await check()).differences.filter(({ where }) => where === 'card card-1').map(({ what }) => what)).toEqual([
      expect.stringContaining('it was failed over to card-2'),
      expect.stringContaining('it did not answer'),
    ]);
    cell.cardReturns('card-1');
    await cell.settle();
    expect(givenTo('card-1')).toMatchObject({ tombstone: true, movedTo: 'card-2' });
    expect((await cell.volumeNow()).formerCards).toEqual([]);
    expect(cell.fleet.card('card-1')?.use).toMatchObject({ functionIds: new Map(), iops: 0, memoryBytes: 0 });
    expect(await booksDiffer()).toEqual([]);
    expect((await check()).differences).toEqual([]);
    expect((await reservations()).map(({ ownerId }) => ownerId).toSorted()).toEqual(['card-2', made.legs[0]?.poolId]);
  });

  it('does not believe what the old card still says of its old operation', async () => {
    const before = givenTo('card-1');
    await cell.failover();
    await cell.settle();
    if (!before) throw new Error('card-1 was given the volume');
    for (const phase of ['settled', 'gone', 'needs-operator'] as const) {
      const { staleOperationIds } = await cell.cardOf({ cardId: 'card-1' }).say(cardReport(before, phase));
      expect(staleOperationIds).toEqual([before.operationId]);
    }
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-2', uri: expect.any(String) });
    expect((await cell.volumeNow()).formerCards).toHaveLength(1);
  });

  it('may go back when the card that it came from has returned and the other is away', async () => {
    await cell.failover();
    await cell.settle();
    cell.loseCard('card-2');
    cell.cardOf({ cardId: 'card-1' }).isAway = true;
    expect(await refusal(cell.failover('card-1'))).toContain('card-left excludes 2 of 2 cards');
    cell.cardReturns('card-1');
    await cell.settle();
    await cell.failover();
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-1', legs: [{ epoch: 3 }] });
    cell.cardReturns('card-2');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ formerCards: [] });
    expect(await booksDiffer()).toEqual([]);
  });

  it('is changed and deleted like any other; its end waits for what the old card has', async () => {
    await cell.failover();
    await cell.settle();
    await cell.change({ labels: { tier: 'gold' } });
    await cell.change({ qos: { iopsTotal: 500 } });
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', settledGeneration: 4 });
    expect(await booksDiffer()).toEqual([]);
    const { change } = await cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: 4 });
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'retiring',
      waitingFor: expect.stringContaining('card card-1 to close what it had before the failover'),
    });
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled' });
    expect(await reservations()).toEqual([]);
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
  });

  it('shows in a dry run the very plan that is carried out, and changes nothing', async () => {
    const asked = { ...reader, volume: 'vol-a', basedOnGeneration: 1 };
    const plan = await cell.scheduler.volumes.planFailover(asked);
    expect(await booksDiffer()).toEqual([]);
    expect(await cell.volumeNow()).toMatchObject({ cardId: 'card-1', generation: 1 });
    expect((await cell.failover()).change.plan.digest).toBe(plan.digest);
  });

  it('stays with nobody when the other card cannot build it, until it is failed over again', async () => {
    const { play } = other();
    other().play = failWith({ code: 'step-failed', detail: 'the disk is on fire' });
    const { change } = await cell.failover();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({
      state: 'undone',
      problem: { detail: 'the disk is on fire' },
    });
    expect(await cell.volumeNow()).toMatchObject({ state: 'needs-operator', cardId: 'card-2', appliedGeneration: 1 });
    expect(await refusal(cell.change({ qos: { iopsTotal: 500 } }))).toContain('nothing carries volume vol-a');
    other().play = play;
    await cell.restart();
    cell.loseCard('card-1');
    await cell.failover();
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-2', legs: [{ epoch: 3 }] });
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ formerCards: [] });
    expect(await booksDiffer()).toEqual([]);
  });
});

describe('a volume that no card could take over', () => {
  it('may be deleted, which ends when the card that it came from is back', async () => {
    cell.loseCard('card-1');
    other().play = failWith({ code: 'step-failed', detail: 'the disk is on fire' }, 'refused');
    const inspect = other().inspect.bind(other());
    other().inspect = (...asked) => ({ ...inspect(...asked), total: 0, volumes: [], legs: [] });
    await cell.failover();
    await cell.settle();
    expect((await check()).differences).toContainEqual(
      expect.objectContaining({ where: 'card card-2', what: 'it does not run' }),
    );
    await cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: 2 });
    other().play = succeed;
    await cell.settle();
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
    expect(await reservations()).toEqual([]);
    expect(cell.pools.flatMap(({ items }) => [...items.values()]).every(({ tombstone }) => tombstone)).toBe(true);
  });
});

describe('a failover whose card goes away in the middle', () => {
  it.each([
    { name: 'before its legs are fenced', isFenced: false },
    { name: 'when it has been given them', isFenced: true },
  ])('is taken over by another $name', async ({ isFenced }) => {
    const pool = legPool();
    cell.loseCard('card-1');
    const first = await cell.failover();
    other().play = () => [];
    if (pool) pool.isAway = !isFenced;
    await cell.settle();
    cell.cardReturns('card-1');
    await cell.settle();
    expect(await refusal(cell.failover())).toContain('only a volume whose card is unreachable');
    cell.loseCard('card-2');
    const { change } = await cell.failover();
    expect(await cell.changeNow(first.change.changeId)).toMatchObject({
      state: 'undone',
      waitingFor: null,
      problem: { detail: expect.stringContaining(change.changeId) },
    });
    if (pool) pool.isAway = false;
    await cell.settle();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-1', legs: [{ epoch: 3 }] });
    expect((await cell.volumeNow()).formerCards).toHaveLength(isFenced ? 1 : 0);
    other().play = succeed;
    cell.cardReturns('card-2');
    await cell.settle();
    expect((await cell.volumeNow()).formerCards).toEqual([]);
    expect(await booksDiffer()).toEqual([]);
    expect((await check()).differences).toEqual([]);
  });
});

describe('a mirrored volume', () => {
  it('is given to the other card only when the last of its pools has fenced', async () => {
    const layers = [{ kind: 'raid1' as const, legCount: 3, safeRead: false }];
    const { cardId, volumeId } = await cell.create({
      name: 'vol-b',
      stack: { layers },
      placement: { cardId: 'card-1' },
    });
    cell.loseCard(cardId);
    const late = cell.pools[1];
    if (late) late.isAway = true;
    const { change } = await cell.failover(undefined, 'vol-b');
    await cell.settle();
    expect((await cell.volumeNow('vol-b')).legs.map(({ epoch }) => epoch)).toEqual([2, 2, 2]);
    expect(cell.cardOf({ cardId: 'card-2' }).items.has(volumeId)).toBe(false);
    expect((await cell.changeNow(change.changeId)).waitingFor).toContain('pool pool-2 to fence');
    if (late) late.isAway = false;
    await cell.settle();
    expect(await cell.volumeNow('vol-b')).toMatchObject({ state: 'ready', cardId: 'card-2' });
  });
});

describe('an encrypted volume', () => {
  it('is opened on the other card with the key sealed for that card', async () => {
    await cell.create({ name: 'vol-b', stack: { layers: [...encrypted.layers] } });
    const { cardId } = await cell.volumeNow('vol-b');
    cell.loseCard(cardId);
    const { change } = await cell.failover(undefined, 'vol-b');
    expect(change.plan.steps.map(({ step }) => step.kind)).not.toContain('format-encryption');
    await cell.settle();
    const after = await cell.volumeNow('vol-b');
    expect(after).toMatchObject({ state: 'ready' });
    expect(after.cardId).not.toBe(cardId);
    const given = cell.cardOf(after).items.get(after.volumeId);
    expect(given?.stack.encryptionKey?.keyRef).toBe(
      cell.cardOf({ cardId }).items.get(after.volumeId)?.stack.encryptionKey?.keyRef,
    );
  });
});

describe('a failover is refused, with nothing changed,', () => {
  it('while the card answers', async () => {
    expect(await refusal(cell.failover())).toContain('only a volume whose card is unreachable is failed over');
    expect(await cell.volumeNow()).toMatchObject({
      state: 'ready',
      cardId: 'card-1',
      generation: 1,
      legs: [{ epoch: 1 }],
    });
  });

  it('while a change is under way, whose outcome only the card knows', async () => {
    const { change } = await cell.change({ qos: { iopsTotal: 500 } });
    cell.loseCard('card-1');
    expect(await refusal(cell.failover())).toContain(`change-in-flight: change ${change.changeId}`);
  });

  it('when a leg is a file in the host of the card', async () => {
    cell.scheduler.hearPoolSnapshot(aPool('pool-1', { reach: 'host' }));
    const placement = { cardId: 'card-1', poolIds: ['pool-1'] };
    const local = await cell.create({ name: 'vol-b', placement });
    cell.loseCard('card-1');
    const said = await refusal(cell.failover(undefined, 'vol-b'));
    expect(said).toContain(`change-refused: ${local.legs[0]?.legId} is a file on pool pool-1`);
    expect(said).toContain('stays unreachable until the card returns');
  });

  it('when a pool that is to fence is away', async () => {
    cell.loseCard('card-1');
    const poolId = made.legs[0]?.poolId ?? '';
    cell.scheduler.hearPoolSnapshot({ ...aPool(poolId), state: 'unreachable' });
    expect(await refusal(cell.failover())).toContain(`pool ${poolId} is unreachable`);
  });

  it('when no other card can carry it, saying what excluded how many', async () => {
    cell.loseCard('card-1');
    cell.loseCard('card-2');
    expect(await refusal(cell.failover())).toContain('card-state excludes 1 of 2 cards (card-2)');
    expect(await refusal(cell.failover('card-1'))).toContain('card-left excludes 1 of 2 cards (card-1)');
  });

  it('when it is based on an older generation', async () => {
    cell.loseCard('card-1');
    const asked = { ...cell.asked(), volume: 'vol-a', basedOnGeneration: 7 };
    expect(await refusal(cell.scheduler.volumes.failover(asked))).toContain('stale-generation');
  });
});
