import { finalChangeStates } from '@flexbso/contracts';
import { type Arbitrary, array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { aSpec, encrypted } from '../testing/fixtures.js';
import { cardReport, legReport, serve, SlowCard } from '../testing/fake-agents.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { admin, settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, ask, backUp, check, differences, end, living, restore } = settlementsOf(() => cell);

const firstAdopt = async () => (await differences()).volumes[0]?.adopt;
const agents = () => [...cell.cards, ...cell.pools];

async function beginRemoval(name: string): Promise<void> {
  const { generation } = await cell.volumeNow(name);
  await cell.scheduler.volumes.delete({ ...cell.asked(), volume: name, basedOnGeneration: generation });
}
async function remove(name: string): Promise<void> {
  await beginRemoval(name);
  await cell.settle();
}

beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('a database restored from a backup', () => {
  it('has every agent acting on nothing, and goes on where nothing differs as soon as it is adopted', async () => {
    await cell.create({ name: 'same' });
    await backUp();
    await restore();
    expect(agents().every(({ isDiverged }) => isDiverged)).toBe(true);
    expect(await differences()).toMatchObject({ volumeCount: 0, agents: agents().map(() => ({ differences: 0 })) });
    expect((await check()).differenceCount).toBe(agents().length);
    const before = living();
    const { following } = await adopt('card-1');
    expect(following).toHaveLength(agents().length);
    expect(agents().some(({ isDiverged }) => isDiverged)).toBe(false);
    expect(living()).toEqual(before);
    expect((await check()).differences).toEqual([]);
  });

  it('lists what was created, changed and deleted since, and refuses changes until it is settled', async () => {
    await cell.create({ name: 'changed' });
    const deleted = await cell.create({ name: 'deleted' });
    await backUp();
    const created = await cell.create({ name: 'created' });
    const { volume: changed } = await cell.change({ qos: { iopsTotal: 500 } }, 'changed');
    await cell.settle();
    await remove('deleted');
    await restore();
    const { volumes } = await differences();
    expect(Object.fromEntries(volumes.map(({ volumeId, since }) => [volumeId, since]))).toEqual({
      [created.volumeId]: 'created',
      [changed.volumeId]: 'changed',
      [deleted.volumeId]: 'deleted',
    });
    const one = volumes.find(({ volumeId }) => volumeId === changed.volumeId);
    expect(one?.differences[0]?.what).toMatch(
      /generation 1 recorded, 2 here; qos null recorded, \{"iopsTotal":500\} here/,
    );
    expect(await refusalOf(cell.change({ qos: null }, 'changed'))).toBe('diverged');
    expect(await refusalOf(cell.create({ name: 'another' }))).toBe('no-placement');
  });

  it('takes over, lets go and ends what an operator says, and finds nothing afterwards', async () => {
    await cell.create({ name: 'same' });
    await cell.create({ name: 'changed' });
    await cell.create({ name: 'deleted' });
    await backUp();
    const kept = await cell.create({ name: 'kept' });
    const ended = await cell.create({ name: 'ended' });
    await cell.change({ stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } }, 'changed');
    await cell.settle();
    await remove('deleted');
    await restore();
    await adopt('deleted');
    expect(await refusalOf(cell.volumeNow('deleted'))).toBe('not-found');
    await adopt('changed');
    await adopt(kept.volumeId, 'kept');
    await end(ended.volumeId);
    expect(agents().filter(({ isDiverged }) => isDiverged)).toEqual([]);
    expect((await check()).differences).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
    expect(await cell.volumeNow('kept')).toMatchObject({ volumeId: kept.volumeId, state: 'ready' });
    expect(await refusalOf(cell.volumeNow(ended.volumeId))).toBe('not-found');
    await cell.change({ qos: { iopsTotal: 700 } }, 'changed');
    await cell.settle();
    expect(await cell.volumeNow('changed')).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 } });
    expect((await check()).differences).toEqual([]);
  });

  it('takes over what runs on a function that a volume whose creation was undone still names', async () => {
    const problem = { code: 'pool-full' as const, detail: 'no room' };
    for (const pool of cell.pools)
      pool.play = (item) => [item.tombstone ? legReport(item, 'deleted') : { ...legReport(item, 'failed'), problem }];
    const failed = await cell.create({ name: 'failed' });
    for (const pool of cell.pools) pool.play = serve;
    await backUp();
    const { volumeId, cardId, functionId } = await cell.create({ name: 'kept', placement: { cardId: failed.cardId } });
    expect([cardId, functionId]).toEqual([failed.cardId, failed.functionId]);
    await restore();
    await adopt(volumeId, 'kept');
    expect(await cell.volumeNow('kept')).toMatchObject({ volumeId, state: 'ready' });
    expect((await check()).differences).toEqual([]);
  });

  it('takes over limits that hold under the very order that is recorded: they stayed when a change was taken back', async () => {
    const volume = await cell.create();
    await backUp();
    const { items } = cell.cardOf(volume);
    const given = items.get(volume.volumeId);
    if (!given) throw new Error('the card has nothing of it');
    items.set(volume.volumeId, { ...given, qos: { iopsTotal: 700 } });
    await restore();
    const { volumes } = await differences();
    expect(volumes[0]?.differences[0]?.what).toBe('changed since: qos null recorded, {"iopsTotal":700} here');
    await adopt('vol-a');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 } });
    expect((await check()).differences).toEqual([]);
  });

  it('takes over a volume of which a leg had become larger and the head had not', async () => {
    await backUp();
    const { volumeId, legs } = await cell.create({ name: 'growing' });
    const [leg] = legs;
    const pool = cell.pools.find(({ id }) => id === leg?.poolId);
    const given = pool?.items.get(leg?.legId ?? '');
    if (!pool || !given) throw new Error('no pool has the leg');
    const sizeBytes = 2 * given.sizeBytes;
    pool.items.set(given.legId, { ...given, sizeBytes });
    await restore();
    await adopt(volumeId, 'growing');
    expect(await cell.volumeNow('growing')).toMatchObject({ state: 'ready', sizeBytes: given.sizeBytes });
    expect((await check()).differences).toEqual([]);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('takes over what runs, and keeps what the books alone know: labels, and what is demanded', async () => {
    const stack = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };
    const kept = { labels: { tier: 'gold' }, alwaysRedundant: true };
    const { volumeId } = await cell.create({ name: 'kept', stack, ...kept });
    await backUp();
    await cell.change({ qos: { iopsTotal: 700 } }, 'kept');
    await cell.settle();
    await restore();
    await adopt(volumeId);
    expect(await cell.volumeNow('kept')).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 }, stack, ...kept });
  });

  it('refuses to fail a volume over whose key its card alone can open, until a change has given it another', async () => {
    await backUp();
    const { volumeId, cardId } = await cell.create({ stack: { layers: [...encrypted.layers] } });
    await restore();
    await adopt(volumeId, 'vol-a');
    cell.loseCard(cardId);
    await expect(cell.failover()).rejects.toThrow(/alone can open it/);
    cell.cardReturns(cardId);
    await cell.change({ stack: { layers: [] } });
    await cell.settle();
    await cell.change({ stack: { layers: [...encrypted.layers] } });
    await cell.settle();
    cell.loseCard(cardId);
    await cell.failover();
    await cell.settle();
    const now = await cell.volumeNow();
    expect(now).toMatchObject({ state: 'ready', formerCards: [{ cardId }] });
    expect(now.cardId).not.toBe(cardId);
  });

  it('keeps of a volume that was failed over before the backup where it came from, and what is held there', async () => {
    const { cardId } = await cell.create();
    cell.loseCard(cardId);
    await cell.failover();
    await cell.settle();
    await backUp();
    await cell.change({ qos: { iopsTotal: 700 } });
    await cell.settle();
    await restore();
    await adopt('vol-a');
    expect(await cell.volumeNow()).toMatchObject({ qos: { iopsTotal: 700 }, formerCards: [{ cardId }] });
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('refuses to take over what is not at rest, what pools do not confirm, and what did not answer', async () => {
    await backUp();
    const { volumeId, cardId } = await cell.create({ name: 'new' });
    await restore();
    const honest = cell.inspect;
    cell.inspect = (role, id) => {
      const answer = honest(role, id);
      return { ...answer, volumes: answer.volumes.map((one) => ({ ...one, exports: [] })) };
    };
    expect(await firstAdopt()).toMatchObject({ can: false, what: expect.stringContaining('has not finished') });
    cell.inspect = (role, id) => {
      const answer = honest(role, id);
      return { ...answer, legs: answer.legs.map((leg) => ({ ...leg, epoch: leg.epoch + 1 })) };
    };
    expect(await firstAdopt()).toMatchObject({ can: false, what: expect.stringContaining('epoch') });
    expect(await refusalOf(adopt(volumeId))).toBe('diverged');
    cell.inspect = (role, id) => {
      if (role === 'pool') throw new Error('no answer in time');
      return honest(role, id);
    };
    expect(await firstAdopt()).toMatchObject({ can: false, what: expect.stringContaining('did not answer') });
    cell.inspect = honest;
    expect((await adopt(volumeId)).settled).toEqual([expect.objectContaining({ volumeId, how: 'adopted' })]);
    expect(await cell.volumeNow(volumeId)).toMatchObject({ name: volumeId, cardId, state: 'ready' });
  });

  it('leaves held what a card holds for as long as it is paused, says so, and has it go on once it is resumed', async () => {
    const { volumeId, cardId } = await cell.create();
    await backUp();
    const card = cell.cardOf({ cardId });
    const slow = new SlowCard();
    card.play = slow.play;
    await cell.change({ qos: { iopsTotal: 700 } });
    await cell.settle();
    await cell.pause(cardId);
    await cell.settle();
    slow.isWorking = true;
    await restore();
    expect(card.items.get(volumeId)).toMatchObject({ paused: true });
    expect(await firstAdopt()).toMatchObject({ can: false, what: expect.stringContaining('as it was paused: resume') });
    await cell.resume(cardId);
    await cell.settle();
    expect(await firstAdopt()).toMatchObject({ can: true });
    await adopt(volumeId);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 } });
    expect((await check()).differences).toEqual([]);
  });

  it('speaks as what the database is also when nobody knows whether the restore was committed', async () => {
    await cell.create({ name: 'same' });
    await backUp();
    const before = cell.scheduler.incarnation;
    const { backups } = cell;
    const honest = backups.restore.bind(backups);
    backups.restore = async (name, nowMs, how) => {
      await honest(name, nowMs, how);
      throw new Error('the connection was lost');
    };
    await expect(restore()).rejects.toThrow('the connection was lost');
    expect(cell.scheduler.incarnation).not.toBe(before);
    await cell.settle();
    expect(agents().every(({ isDiverged }) => isDiverged)).toBe(true);
    expect(await cell.scheduler.checkReservations()).toEqual([]);
  });

  it('keeps an agent diverged that went on in its own life after it was compared', async () => {
    await cell.create({ name: 'same' });
    await backUp();
    await restore();
    const [card] = cell.cards;
    if (!card) throw new Error('the cell has no card');
    await cell.scheduler.settlements.adopt({ ...ask(), id: card.id });
    card.revision += 1;
    await cell.settle();
    expect(card.isDiverged).toBe(true);
    expect(cell.pools.some(({ isDiverged }) => isDiverged)).toBe(false);
  });

  it('hears no report of another life, and says of whom it was asked that nothing differs there', async () => {
    await backUp();
    const { volumeId } = await cell.create({ name: 'new' });
    await restore();
    const card = cell.cardOf(await differences().then(({ volumes }) => ({ cardId: volumes[0]?.cardId ?? '' })));
    const item = card.items.get(volumeId);
    if (!item) throw new Error('the card does not have it');
    expect((await card.say(cardReport(item, 'settled'))).staleOperationIds).toEqual([item.operationId]);
    expect(await refusalOf(adopt('card-9'))).toBe('not-found');
    expect(await refusalOf(end('vol-0123456789'))).toBe('not-found');
  });
});

const begin = (name: string) => cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec({ name }) });

/** Lets everybody ask so many times: a change stops somewhere in the middle. */
async function rounds(count: number): Promise<void> {
  for (let round = 0; round < count; round += 1)
    for (const agent of [...cell.pools, ...cell.cards]) await agent.catchUp();
}

const runningOn = (some: readonly { items: ReadonlyMap<string, { tombstone: boolean; operationId: string }> }[]) =>
  some
    .flatMap(({ items }) => [...items.values()])
    .filter((item) => !item.tombstone)
    .map(({ operationId }) => operationId)
    .toSorted();

describe('whatever happened since the backup', () => {
  const action = record({
    name: constantFrom('a', 'b', 'c', 'd'),
    what: constantFrom('create', 'qos', 'move', 'encrypt', 'mirror', 'grow', 'detach', 'attach', 'delete'),
    pool: constantFrom('pool-1', 'pool-2', 'pool-3'),
  });
  type Action = typeof action extends Arbitrary<infer A> ? A : never;

  async function act({ name, what, pool }: Action): Promise<void> {
    const present = await refusalOf(cell.volumeNow(name));
    if (what === 'create' && present !== null) await begin(name);
    if (present !== null || what === 'create') return;
    if (what === 'delete') return beginRemoval(name);
    const now = await cell.volumeNow(name);
    if (what === 'detach') return void (await cell.detach(name));
    if (what === 'attach')
      return void (await cell.attach(now.attached ? {} : { cardId: pool === 'pool-1' ? 'card-1' : 'card-2' }, name));
    // A card would have to carry it.
    if (!now.attached && what !== 'qos') return;
    const patches = {
      qos: { qos: now.qos === null ? { iopsTotal: 100 } : null },
      move: { placement: { poolIds: [pool] } },
      mirror: { stack: { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] } },
      grow: { sizeBytes: now.sizeBytes + 4096 },
      encrypt: {
        stack: {
          layers: now.stack.layers.length > 0 ? [] : [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }],
        },
      },
    };
    // There may be no room for it.
    await refusalOf(cell.change(patches[what], name));
  }

  const history = record({
    actions: array(action, { maxLength: 8 }),
    last: action,
    rounds: integer({ min: 0, max: 4 }),
  });
  type History = typeof history extends Arbitrary<infer A> ? A : never;

  /** The last change is left in its middle. */
  async function happen({ actions, last, rounds: count }: History): Promise<void> {
    for (const one of actions) {
      await act(one);
      await cell.settle();
    }
    await act(last);
    await rounds(count);
  }
  it('adopting all of it leaves exactly what runs, untouched, and every agent follows', async () => {
    await assert(
      asyncProperty(history, history, async (before, since) => {
        cell = await MemoryCell.start();
        await happen(before);
        await backUp();
        await cell.settle();
        await happen(since);
        await restore();
        const onCards = runningOn(cell.cards);
        const onPools = new Set(runningOn(cell.pools));
        const adoptAll = async () => {
          for (const agent of agents()) if (agent.isDiverged) await adopt(agent.id);
        };
        await adoptAll();
        // Legs of which no volume runs, or none that is known so, are for an operator to delete; another volume may have
        // the function that such a one held.
        for (const one of (await differences()).volumes) if (one.delete.can && !one.adopt.can) await end(one.volumeId);
        await adoptAll();
        await cell.settle();
        expect(runningOn(cell.cards)).toEqual(onCards);
        expect(runningOn(cell.pools).filter((operationId) => !onPools.has(operationId))).toEqual([]);
        expect(agents().filter(({ isDiverged }) => isDiverged)).toEqual([]);
        expect((await check()).differences).toEqual([]);
        expect(await cell.scheduler.checkReservations()).toEqual([]);
        const { items } = await cell.scheduler.queries.listChanges({ v: 1, caller: admin, pageSize: 200 });
        expect(items.filter(({ state }) => !finalChangeStates.includes(state))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
