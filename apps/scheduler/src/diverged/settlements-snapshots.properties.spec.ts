import { finalChangeStates, type Volume } from '@flexbso/contracts';
import { type Arbitrary, array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aSpec } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { admin, settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { ask, backUp, check, differences, restore } = settlementsOf(() => cell);
const agents = () => [...cell.cards, ...cell.pools];

const snapshots = ['s', 't'] as const;
const action = record({
  name: constantFrom('a', 'b', 'c'),
  what: constantFrom(
    ...(['create', 'qos', 'move', 'encrypt', 'detach', 'attach', 'delete'] as const),
    ...(['snapshot', 'snapshot', 'drop', 'clone', 'clone', 'rollback', 'rollback'] as const),
  ),
  of: constantFrom('a', 'b'),
  snapshot: constantFrom(...snapshots),
});
type Action = typeof action extends Arbitrary<infer A> ? A : never;
const encryption = { kind: 'encryption' as const, cipher: 'aes-xts-256' as const };

async function act({ name, what, of, snapshot }: Action): Promise<void> {
  const { volumes } = cell.scheduler;
  const isThere = (await refusalOf(cell.volumeNow(name))) === null;
  if (what === 'create' || what === 'clone') {
    const fromSnapshot = what === 'clone' ? { fromSnapshot: { volume: of, snapshot } } : {};
    if (!isThere) await refusalOf(volumes.create({ ...cell.asked(), spec: aSpec({ name, ...fromSnapshot }) }));
    return;
  }
  if (!isThere) return;
  const now = await cell.volumeNow(name);
  const request = { ...cell.asked(), volume: name, basedOnGeneration: now.generation };
  const work: Record<Exclude<Action['what'], 'create' | 'clone'>, () => Promise<unknown>> = {
    qos: () => cell.change({ qos: now.qos === null ? { iopsTotal: 100 } : null }, name),
    move: () => cell.change({ placement: { poolIds: ['pool-2'] }, acknowledgeSnapshots: true }, name),
    encrypt: () => cell.change({ stack: otherStack(now), acknowledgeSnapshots: true }, name),
    detach: () => cell.detach(name),
    attach: () => cell.attach({}, name),
    delete: () => volumes.delete(request),
    snapshot: () => volumes.createSnapshot({ ...request, spec: { name: snapshot } }),
    drop: () => volumes.deleteSnapshot({ ...request, snapshot }),
    rollback: () => volumes.rollback({ ...request, snapshot }),
  };
  // What cannot be done to it just then is refused, and leaves all as it was.
  await refusalOf(work[what]());
}

const otherStack = ({ stack }: Volume) => ({ layers: stack.layers.length > 0 ? [] : [encryption] });

const history = record({
  actions: array(action, { minLength: 3, maxLength: 12 }),
  last: action,
  rounds: integer({ min: 0, max: 4 }),
});
type History = typeof history extends Arbitrary<infer A> ? A : never;

/** The last change is left in its middle. */
async function happen({ actions, last, rounds }: History): Promise<void> {
  for (const one of actions) {
    await act(one);
    await cell.settle();
  }
  await act(last);
  for (let round = 0; round < rounds; round += 1) for (const agent of agents()) await agent.catchUp();
}

async function settleAll(): Promise<void> {
  // Each volume is settled once, but for one that waits for another; more is an end that does not come.
  for (let round = 0; round < 10 && agents().some(({ isDiverged }) => isDiverged); round += 1) {
    for (const { volumeId, name, adopt, delete: end } of (await differences()).volumes) {
      const named = name === null ? { name: volumeId } : {};
      if (adopt.can) await refusalOf(cell.scheduler.settlements.adopt({ ...ask(), id: volumeId, ...named }));
      else if (end.can) await refusalOf(cell.scheduler.settlements.delete({ ...ask(), id: volumeId }));
    }
    for (const { id, isDiverged } of agents())
      if (isDiverged) await refusalOf(cell.scheduler.settlements.adopt({ ...ask(), id }));
    await cell.settle();
  }
}

/** What is read on any card, by those that have it open. */
const legIdsOnCards = () =>
  cell.cards.flatMap(({ items }) =>
    [...items.values()]
      .filter(({ tombstone }) => !tombstone)
      .flatMap(({ stack, bases = [] }) => [stack, ...bases].flatMap(({ legs }) => legs.map(({ legId }) => legId))),
  );
const legsOnPools = () => cell.pools.flatMap(({ items }) => [...items.values()].filter(({ tombstone }) => !tombstone));

async function nothingDiffers(): Promise<void> {
  expect((await check()).differences).toEqual([]);
  expect(await cell.scheduler.checkReservations()).toEqual([]);
  const { items } = await cell.scheduler.queries.listChanges({ v: 1, caller: admin, pageSize: 200 });
  expect(items.filter(({ state }) => !finalChangeStates.includes(state))).toEqual([]);
}

describe('whatever happened to snapshots and clones since the backup', () => {
  it('every volume can be settled and goes on: nothing that runs loses a leg, and no snapshot goes but with its volume', async () => {
    await assert(
      asyncProperty(history, history, history, async (before, since, afterwards) => {
        cell = await MemoryCell.start();
        await happen(before);
        await backUp();
        await cell.settle();
        await happen(since);
        await restore();
        const frozen = legsOnPools().filter(({ role }) => role === 'frozen');
        await settleAll();
        const left = (await differences()).volumes.map(({ adopt, delete: end }) => [adopt.what, end.what]);
        expect(left).toEqual([]);
        expect(agents().filter(({ isDiverged }) => isDiverged)).toEqual([]);
        const there = new Set(legsOnPools().map(({ legId }) => legId));
        expect(legIdsOnCards().filter((legId) => !there.has(legId))).toEqual([]);
        const volumeIds = new Set(legsOnPools().map(({ volumeId }) => volumeId));
        const lost = frozen.filter(({ volumeId, legId }) => volumeIds.has(volumeId) && !there.has(legId));
        expect(lost.map(({ legId }) => legId)).toEqual([]);
        await nothingDiffers();
        // What was adopted goes on as any other.
        await happen(afterwards);
        await cell.settle();
        await nothingDiffers();
      }),
      { numRuns: 40 },
    );
  });
});
