import { afterEach, expect, it } from 'vitest';
import { BusCell, codeOf, type SchedulerClient } from './testing/bus-cell.js';
import { SlowCard } from './testing/fake-agents.js';

let cell: BusCell;
let client: SchedulerClient;
afterEach(() => cell.stop());

const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });

async function begin(): Promise<SlowCard> {
  cell = await BusCell.start();
  client = await cell.client();
  const slow = new SlowCard();
  slow.isWorking = true;
  for (const card of cell.cards) card.play = slow.play;
  const { change } = await client.create(toPool('pool-1'));
  await client.until(change.changeId, 'settled');
  return slow;
}

async function poolsNow(): Promise<string[]> {
  return (await client.volume()).legs.map(({ poolId }) => poolId);
}

it('a change on its card is taken back by nudges alone, and the next one goes on from there', async () => {
  const slow = await begin();
  slow.isWorking = false;
  const { change } = await client.change(toPool('pool-2'));
  await client.until(change.changeId, 'applying');
  expect(await client.cancel(change.changeId)).toMatchObject({ cancel: { by: 'alice' } });
  expect(await client.until(change.changeId, 'undone', 'settled')).toMatchObject({
    state: 'undone',
    problem: { code: 'cancelled' },
    cancel: { outcome: 'undone' },
  });
  expect(await poolsNow()).toEqual(['pool-1']);
  expect(await codeOf(client.cancel(change.changeId))).toBe('change-over');
  slow.isWorking = true;
  const again = await client.change(toPool('pool-2'));
  await client.until(again.change.changeId, 'settled');
  expect(await poolsNow()).toEqual(['pool-2']);
  expect(await cell.service?.scheduler.checkReservations()).toEqual([]);
});

it('what is paused waits over a restart of the service, and goes on when it is resumed', async () => {
  await begin();
  expect((await client.pause('pause')).items).toMatchObject([{ cardId: null, by: 'bob' }]);
  const { change } = await client.change(toPool('pool-2'));
  await cell.restartService();
  expect(await client.changeNow(change.changeId)).toMatchObject({
    state: 'preparing',
    paused: { cardId: null, by: 'bob' },
    waitingFor: expect.stringMatching(/^paused by bob since .*Z \(the fleet\)$/),
  });
  expect(await poolsNow()).toEqual(['pool-1', 'pool-2']);
  expect((await client.pause('resume')).items).toEqual([]);
  await client.until(change.changeId, 'settled');
  expect(await poolsNow()).toEqual(['pool-2']);
  expect(await cell.service?.scheduler.checkReservations()).toEqual([]);
});
